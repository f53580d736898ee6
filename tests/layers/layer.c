/* SPDX-License-Identifier: MIT */
/* A program that does nothing: it is there to be linked with a library of src. */
int main(void)
{
    return 0;
}

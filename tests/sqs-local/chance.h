/* SPDX-License-Identifier: MIT */
/* Random numbers that depend only on a seed, so that a test can be repeated exactly: SplitMix64
 * (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
#pragma once

#include "util/macro.h"

/* The state of a stream of numbers. Streams with different states are independent. */
struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
    uint64_t x = chance->state += UINT64_C(0x9E3779B97F4A7C15);

    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* Makes the stream number `stream` of a seed. */
static inline struct chance chance_of(uint64_t seed, uint64_t stream)
{
    struct chance chance = {seed + stream};

    chance_next(&chance);
    return chance;
}

/* Reads a probability, a number from 0 to 1. Nothing may follow it. */
static inline bool chance_read(const char *text, double *ret)
{
    char *end;

    *ret = strtod(text, &end);
    return end != text && *end == '\0' && *ret >= 0 && *ret <= 1;
}

/* A number from 0 up to, but not including, 1. */
static inline double chance_fraction(struct chance *chance)
{
    return (double)(chance_next(chance) >> 11) * 0x1p-53;
}

/* Decides whether an event of that probability happens now. A probability of 0 draws no number. */
static inline bool chance_has(struct chance *chance, double probability)
{
    return probability > 0 && chance_fraction(chance) < probability;
}

/* SPDX-License-Identifier: MIT */
/* Doubly linked lists. Each object in a list has its link as a member. A list is circular: its head
 * is a link as well. Nothing here allocates or fails, and removing an object needs no search. */
#pragma once

#include "util/macro.h"

/* A list's head, or the link of an object. A link that is in no list has next == NULL. So a link
 * that is all zero needs no initialization, but a head needs list_init. */
struct list {
    struct list *previous, *next;
};

/* Walks the list from its first link. The body may remove `link` and free its object, but must not
 * remove the link after it. */
#define LIST_FOREACH(head, link)                                                                   \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);              \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list *head)
{
    head->previous = head->next = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_is_linked(const struct list *link)
{
    return link->next != NULL;
}

/* NULL: the list is empty. */
static inline struct list *list_first(const struct list *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

/* `place` is a link in the list, or the head. If it is the head, the link becomes the last. */
static inline void list_insert_before(struct list *place, struct list *link)
{
    link->previous = place->previous;
    link->next = place;
    place->previous->next = link;
    place->previous = link;
}

static inline void list_append(struct list *head, struct list *link)
{
    list_insert_before(head, link);
}

static inline void list_prepend(struct list *head, struct list *link)
{
    list_insert_before(head->next, link);
}

/* Does nothing if the link is in no list. */
static inline void list_remove(struct list *link)
{
    if (!list_is_linked(link))
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->previous = link->next = NULL;
}

/* Moves all links to the end of `to`. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

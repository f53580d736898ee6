/* Doubly linked lists whose links stand in the members: no allocation, removal in one step. */
#pragma once

#include "macro.h"

/* A list's head, or a member's link. A link that stands in no list has next == NULL. */
struct list {
    struct list *previous, *next;
};

#define CONTAINER_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* The link may be taken out of the list inside the loop, the one after it may not. */
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

/* `place` is a member or the head: then the link becomes the last. */
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

/* A link that stands in no list is left alone. */
static inline void list_remove(struct list *link)
{
    if (!list_is_linked(link))
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->previous = link->next = NULL;
}

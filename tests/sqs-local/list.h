/* A circular, doubly-linked, intrusive list: the head and each member hold a struct list. A member
 * that is in no list points to itself. Nothing here allocates or fails. */
#pragma once

#include "macro.h"

struct list {
    struct list *previous, *next;
};

/* The object that holds `member` at the place that `pointer` points to. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Walks the list from its first member; `member` may be removed (or freed) in the body. */
#define LIST_FOREACH_SAFE(head, member)                                                            \
    for (struct list *member = (head)->next, *_after = member->next; member != (head);             \
         member = _after, _after = member->next)

static inline void list_init(struct list *list)
{
    list->previous = list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_append(struct list *head, struct list *member)
{
    member->previous = head->previous;
    member->next = head;
    head->previous->next = member;
    head->previous = member;
}

static inline void list_remove(struct list *member)
{
    member->previous->next = member->next;
    member->next->previous = member->previous;
    list_init(member);
}

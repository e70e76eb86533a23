/* SPDX-License-Identifier: BSD-3-Clause */
/* Doubly linked list whose links live in the listed objects. A zeroed node is in no list. */
#ifndef CV_BASE_LIST_H
#define CV_BASE_LIST_H

#include <stdbool.h>

#include "base/base.h"

struct cv_list {
	struct cv_list *next, *prev;
};

static inline void cv_list_init(struct cv_list *head)
{
	head->next = head;
	head->prev = head;
}

/* True for an empty head, also a zeroed one. */
static inline bool cv_list_empty(const struct cv_list *head)
{
	return !head->next || head->next == head;
}

/* Whether @node is in a list. */
static inline bool cv_list_linked(const struct cv_list *node)
{
	return node->next;
}

static inline void cv_list_add_tail(struct cv_list *head, struct cv_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Takes @node out of its list; nothing happens if it is in none. */
static inline void cv_list_remove(struct cv_list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = NULL;
	node->prev = NULL;
}

/* The first node, taken out; NULL when empty. */
static inline struct cv_list *cv_list_pop(struct cv_list *head)
{
	struct cv_list *node = head->next;

	if (cv_list_empty(head))
		return NULL;
	cv_list_remove(node);
	return node;
}

#define cv_list_entry(node, type, member) cv_container_of(node, type, member)

#define cv_list_for_each(node, head) \
	for (struct cv_list *node = (head)->next; node && node != (head); node = node->next)

/* As above; the body may remove @node. */
#define cv_list_for_each_safe(node, tmp, head)                                     \
	for (struct cv_list *node = (head)->next, *tmp = node ? node->next : NULL; \
	     node && node != (head); node = tmp, tmp = tmp->next)

#endif

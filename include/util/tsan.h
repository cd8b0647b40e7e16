/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the thread sanitizer cannot see by itself: order made by code that it did not instrument (glib's main
 * contexts). A release on one thread orders what came before it with what follows an acquire of the same address on
 * another.
 */
#ifndef FERRY_UTIL_TSAN_H
#define FERRY_UTIL_TSAN_H

#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define tsan_acquire(address) __tsan_acquire(address)
#define tsan_release(address) __tsan_release(address)
#else
#define tsan_acquire(address) ((void)(address))
#define tsan_release(address) ((void)(address))
#endif

#endif

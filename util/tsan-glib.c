/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For builds with the thread sanitizer only (-Db_sanitize=thread). glib's locks are futexes inside a library that the
 * sanitizer did not instrument, so it would see no order between threads that use them and report races everywhere.
 * These definitions come before the library's, tell the sanitizer what each call orders, and call the library.
 */
#ifdef __SANITIZE_THREAD__

#include <dlfcn.h>
#include <glib.h>

#include "util/tsan.h"

#define REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

/* acquire after the call / release before it */
#define WRAP(function, type, before, after)                                    \
    void function(type *object)                                                \
    {                                                                          \
        static __typeof__(&function) real;                                     \
        __typeof__(&function) call = __atomic_load_n(&real, __ATOMIC_RELAXED); \
        if (!call) {                                                           \
            call = REAL(function);                                             \
            __atomic_store_n(&real, call, __ATOMIC_RELAXED);                   \
        }                                                                      \
        before;                                                                \
        call(object);                                                          \
        after;                                                                 \
    }
#define WRAP_TRY(function, type)                 \
    gboolean function(type *object)              \
    {                                            \
        gboolean taken = REAL(function)(object); \
        if (taken) {                             \
            tsan_acquire(object);                \
        }                                        \
        return taken;                            \
    }
#define ACQUIRE tsan_acquire(object)
#define RELEASE tsan_release(object)
#define NOTHING (void)0

WRAP(g_mutex_lock, GMutex, NOTHING, ACQUIRE)
WRAP(g_mutex_unlock, GMutex, RELEASE, NOTHING)
WRAP_TRY(g_mutex_trylock, GMutex)
WRAP(g_rec_mutex_lock, GRecMutex, NOTHING, ACQUIRE)
WRAP(g_rec_mutex_unlock, GRecMutex, RELEASE, NOTHING)
WRAP_TRY(g_rec_mutex_trylock, GRecMutex)
WRAP(g_rw_lock_writer_lock, GRWLock, NOTHING, ACQUIRE)
WRAP(g_rw_lock_writer_unlock, GRWLock, RELEASE, NOTHING)
WRAP(g_rw_lock_reader_lock, GRWLock, NOTHING, ACQUIRE)
WRAP(g_rw_lock_reader_unlock, GRWLock, RELEASE, NOTHING)

void g_cond_wait(GCond *cond, GMutex *mutex)
{
    tsan_release(mutex);
    REAL(g_cond_wait)(cond, mutex);
    tsan_acquire(mutex);
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    tsan_release(mutex);
    gboolean signalled = REAL(g_cond_wait_until)(cond, mutex, end_time);
    tsan_acquire(mutex);
    return signalled;
}

/* glib makes the lock under its table of error domains when it is first used, unseen: so before there are threads. */
__attribute__((constructor)) static void make_error_lock(void)
{
    g_error_free(g_error_new_literal(g_quark_from_static_string("tsan-glib"), 0, ""));
}

#else
typedef int tsan_glib_is_empty; /* ISO C wants a declaration */
#endif

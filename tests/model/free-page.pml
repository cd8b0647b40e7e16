/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free page hints during a migration: does any interleaving lose a write? docs/free-page-model.rst says what is
 * modelled and what is not; scripts/check-model runs it, with the rules as they are and with each broken (by a -D).
 *
 * Here: the request (migration/free-page.c), the migration thread (outgoing.c, ram-save.c), the helper, the device.
 */
#ifndef PAGES
#define PAGES 1
#endif

bool referenced[PAGES]; /* in the stream's buffer by reference: read when it is flushed */
/* The migration thread's struct page_run, and its answer about a hole; the device's `written`. */
bool in_run, sent_before, run_hole, run_zero, answer, written;

#include "guest.pml"
#include "page-map.pml"

bool fp_id; /* accepted: the id of the last request. Changed under fp.lock and the map's lock, so read under either */

#ifdef DEVICE_RESET
bool resetting, map_ends; /* who holds the big lock: the main loop, the migration thread */
#define BIG_LOCK()   atomic { !resetting -> map_ends = true }
#define BIG_UNLOCK() map_ends = false
#else
#define BIG_LOCK()   skip
#define BIG_UNLOCK() skip
#endif

/* ---- the request ---- */

/* A new id: what is held under the last one is of an earlier request from now on. */
inline new_id()
{
#ifndef IDS_RESTART
    age(published);
    age(guest_id);
    age(buffer_id[SET]);
    age(buffer_id[QUEUE]);
    age(buffer_id[HAND]);
#endif
    fp_id = true
}

/* Rule 1. */
inline ask()
{
    page_map_sync();
#ifdef SINCE_RESET_AFTER_ID
    d_step { new_id(); published = OPEN_ID };
    LOCKED { page_map_begin_epoch() }
#else
    LOCKED { page_map_begin_epoch(); new_id() };
    /*
     * Under the big lock: who closes and settles from another thread holds it. What was put in doubt under a new id
     * after his arming would be settled without one.
     */
    BIG_LOCK();
    published = (fp_id -> OPEN_ID : published);
    BIG_UNLOCK()
#endif
}

inline close_request()
{
    LOCKED { fp_id = false };
    page_map_settle()
}

/* Rule 5. Stop first, done at some later moment: only a guest that holds its pages can tell. */
inline release_guest()
{
    published = STOP_ID;
    published = DONE_ID
}

/* ---- the device's thread ---- */

#ifdef LATE_ID_ACCEPTED
#define ACCEPTED(id) (id != 0)
#else
#define ACCEPTED(id) (fp_id && id == OPEN_ID)
#endif

/* fp.lock is held from the check to the end, and within it the map's for each slice: one step. */
#ifdef ID_CHECKED_BEFORE_LOCK
inline free_page_hint(p)
{
    if
    :: ACCEPTED(buffer_id[HAND]) -> HINT_LOCKED { page_map_hint(p) }
    :: else
    fi
}
#else
inline free_page_hint(p)
{
    HINT_LOCKED {
        if
        :: ACCEPTED(buffer_id[HAND]) -> page_map_hint(p)
        :: else
        fi
    }
}
#endif

/* A buffer in hand, as long as nothing has come of it, is like one in the queue: only the weaker variants tell. */
#if defined(ID_CHECKED_BEFORE_LOCK) || defined(HINT_WITHOUT_LOCK) || defined(LOOK_BEFORE_TAKE)
#define HANDLED
#else
#define HANDLED d_step
#endif

active proctype device()
{
end:
    do
    :: HANDLED {
           buffer_id[QUEUE] ->
           d_step { buffer_move(QUEUE, HAND) };
           free_page_hint(buffer_page[HAND]);
           d_step { buffer_drop(HAND) }
       }
    :: LOCKED { fp_id && guest_id == OPEN_ID -> fp_id = false } /* free_page_guest_stopped() */
    od
}

/* ---- the helper ---- */

#if PAGES == 1
#define ANY_DOUBT doubt[0]
#else
#define ANY_DOUBT (doubt[0] || doubt[1])
#endif

active proctype helper_thread()
{
end:
    do
    :: ANY_DOUBT -> page_map_look()
    od
}

/* ---- the main loop: device reset, unplug, driver unbound ---- */

#ifdef DEVICE_RESET
active proctype main_loop()
{
end:
    do
    :: atomic { fp_id && running && !map_ends -> resetting = true }
       close_request();
       release_guest();
       resetting = false
    od
}
#endif

/* ---- reports and inflation: the host takes pages away ---- */

#ifdef ABSENT
bool host_busy;

inline discard(p)
{
    d_step {
        zero[p] = true;
        same[p] = there_zero[p];
        excused[p] = false
    }
}

active proctype balloon()
{
    byte p;

end:
    do
    :: atomic {
           running ->
           PICK_PAGE(p);
           if
           :: held[p] || dma[p] -> p = 0
           :: else -> giving[p] = true; host_busy = true
           fi
       }
       if
       :: giving[p] ->
           discard(p);
#ifdef MARKED_BEFORE_ABSENT
           mark[p] = true;
           page_map_absent(p);
#else
           page_map_absent(p);
           mark[p] = true;
#endif
           d_step { giving[p] = false; host_busy = false; p = 0 }
       :: else
       fi
    od
}
#define HOST_BUSY host_busy
#else
#define HOST_BUSY false
#endif

/* ---- the migration thread ---- */

#define flush(p)                                   \
    same[p] = same[p] || referenced[p];            \
    there_zero[p] = (referenced[p] -> zero[p] : there_zero[p]); \
    referenced[p] = false

inline stream_flush()
{
    d_step { EACH_PAGE(flush) }
}

inline send_if_dirty(p)
{
    if
    :: dirty[p] -> send_page(p)
    :: else
    fi
}

/* send_run() of one page. What is not zero goes into the stream by reference; zeros behind it in the stream win. */
inline send_page(p)
{
    page_map_claim(p);
    if
    :: in_run ->
        run_zero = run_hole || zero[p];
        d_step {
            if
            :: run_zero && PRISTINE && !sent_before
            :: run_zero && !(PRISTINE && !sent_before) ->
                there_zero[p] = true;
                same[p] = zero[p];
                referenced[p] = false
            :: !run_zero -> referenced[p] = true
            fi
        };
        if
        :: referenced[p] -> stream_flush() /* the buffer was full */
        :: true
        fi;
        page_map_claim_done(p)
    :: else
    fi
}

#if PAGES == 1
#define ANY_DIRTY dirty[0]
#define ANY_DMA   dma[0]
#else
#define ANY_DIRTY (dirty[0] || dirty[1])
#define ANY_DMA   (dma[0] || dma[1])
#endif

#define any_content(p) if :: zero[p] = true; populated[p] = false :: zero[p] = true; populated[p] = true \
                          :: populated[p] = true fi

#ifdef ASSERT_NOTHING_LEFT_OUT
#define kept(p) assert(same[p])
#else
#define kept(p) assert(same[p] || excused[p])
#endif

active proctype migration()
{
    byte p;

    atomic { EACH_PAGE(any_content); running = true };
setup:
    page_map_new();
    arm();
    EACH_PAGE(scan_slice);
    /* In any order, any number of times: more than outgoing.c does. */
    do
    :: !fp_id -> ask() /* one per pass; the last was closed by us, or by the guest's stop alone */
    :: ANY_DIRTY -> PICK_PAGE(p); send_page(p); p = 0
    :: stream_flush()
    :: page_map_sync()
    :: published >= OLD_ID || fp_id -> /* deadline, growth */
        close_request();
        BIG_LOCK();
        release_guest();
        BIG_UNLOCK()
    :: BIG_LOCK(); break
    od;
    close_request();
    release_guest();
    if
    :: BIG_UNLOCK(); goto setup /* failed or cancelled, and another try, with a new destination */
    :: atomic { !ANY_DMA && !HOST_BUSY -> running = false }
    fi;
    do
    :: page_map_sync();
       if
       :: ANY_DIRTY -> EACH_PAGE(send_if_dirty)
       :: else -> break
       fi
    od;
    stream_flush();
    EACH_PAGE(kept)
}

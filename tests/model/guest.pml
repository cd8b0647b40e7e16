/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory, the accelerator's dirty log, and a guest with its balloon driver.
 *
 * Contents are not values but what matters of them: does the page read as zero, does the destination hold the same?
 * Each store of something else than zeros counts as new content, so there is no bound on writes, hints or retries.
 */

#if PAGES == 1
#define EACH_PAGE(action) action(0)
#define PICK_PAGE(p)      p = 0
#else
#define EACH_PAGE(action) action(0); action(1)
#define PICK_PAGE(p)      if :: p = 0 :: p = 1 fi
#endif

bool zero[PAGES];       /* the source's page reads as zero */
bool populated[PAGES];  /* matters until holes were looked for */
bool same[PAGES];       /* the destination's page equals the source's */
bool there_zero[PAGES]; /* the destination's page is zero */
bool excused[PAGES];    /* declared free under an id that was open, and not written since: may differ */
bool running;

/* ---- the dirty log: struct page_log ---- */

bool mark[PAGES];
bool scratch[PAGES];    /* bm->scratch: marks in hand, under the map's lock */

#ifdef EXPLICIT_CLEAR
/* KVM with manual protect: a page's mark stays, and its writers go on without a fault, until it is cleared. */
#define leave_mark(w, p) mark[p] = true
inline take(p)
{
    scratch[p] = mark[p];
    log_clear(p)
}

inline log_clear(p)
{
    mark[p] = mark[p] && !scratch[p]
}

#define arm() skip
#else
/* The software CPU: who has marked a page writes it silently until armed, each vCPU at a moment of its own. */
bool silent[2 * PAGES];
#define SILENT(w, p) silent[(w) * PAGES + (p)]
#define leave_mark(w, p)        \
    if                          \
    :: SILENT(w, p)             \
    :: else ->                  \
        mark[p] = true;         \
        SILENT(w, p) = true     \
    fi

inline take(p)
{
    scratch[p] = mark[p];
    mark[p] = false
}

#define arm_first(p)  SILENT(0, p) = false
#define arm_second(p) SILENT(1, p) = false
inline arm()
{
    d_step { EACH_PAGE(arm_first) };
    d_step { EACH_PAGE(arm_second) }
}
#endif

/* ---- ids: those of earlier requests are all the same to us, as none comes twice ---- */

#define STOP_ID 0 /* published: none */
#define DONE_ID 1
#define OLD_ID  2
#define OPEN_ID 3 /* of the last request; whether it is open is fp_id's to say */

byte published;   /* the device's configuration */
byte guest_id;    /* what the driver read there */

/* A buffer's way: computed, in the queue, in the device's hand. */
#define SET     0
#define QUEUE   1
#define HAND    2
#define BUFFERS 3
byte buffer_id[BUFFERS];     /* 0: no buffer here */
byte buffer_page[BUFFERS];
bool buffer_free[BUFFERS];   /* the page was not written since the set was computed */

#define age(id)            id = (id == OPEN_ID -> OLD_ID : id)
#define taken_back(b, p)   buffer_free[b] = buffer_free[b] && buffer_page[b] != p

inline buffer_move(from, to)
{
    buffer_id[to] = buffer_id[from];
    buffer_page[to] = buffer_page[from];
    buffer_free[to] = buffer_free[from];
    buffer_drop(from)
}

inline buffer_drop(b)
{
    buffer_id[b] = 0;
    buffer_page[b] = 0;
    buffer_free[b] = false
}

/* ---- the guest ---- */

bool held[PAGES];   /* GUEST_HOLD: allocated to be hinted, until DONE */
bool giving[PAGES]; /* reported or inflated, the host has not acknowledged it yet */
bool dma[PAGES];    /* a device has stored and not marked yet */

inline store(p, is_zero)
{
    zero[p] = is_zero;
    populated[p] = true;
    same[p] = is_zero && there_zero[p];
    excused[p] = false;
    taken_back(SET, p);
    taken_back(QUEUE, p);
    taken_back(HAND, p)
}

/* Mark and store are one step: arming a vCPU waits for the end of the instruction that it is in. */
inline guest_write(w, p, is_zero)
{
    if
    :: held[p] || giving[p]
    :: else ->
        leave_mark(w, p);
        store(p, is_zero)
    fi
}

/* Free pages of a guest that relies on them being zero (init_on_free, POISON) are zero; that must stay so. */
inline compute_set(p)
{
    if
#ifdef POISON
    :: !zero[p]
#endif
    :: held[p] || giving[p] || dma[p]
    :: else ->
#ifdef GUEST_HOLD
        held[p] = true;
#endif
        buffer_id[SET] = guest_id;
        buffer_page[SET] = p;
        buffer_free[SET] = true
    fi
}

inline send_set()
{
#ifdef GUEST_SENDS_UNDER_NEXT_ID
    buffer_id[SET] = guest_id;
#endif
    buffer_move(SET, QUEUE)
}

#define release(p) held[p] = false

active proctype guest()
{
    byte p;

    do
    :: atomic { !running -> break }
    :: atomic { running -> PICK_PAGE(p); guest_write(0, p, false); p = 0 }
    :: atomic { running -> PICK_PAGE(p); guest_write(0, p, true); p = 0 }
#ifndef EXPLICIT_CLEAR
    :: atomic { running -> PICK_PAGE(p); guest_write(1, p, false); p = 0 }
#endif
    :: atomic { running -> guest_id = published }
#ifdef GUEST_TAKEBACK
    :: atomic {
           running && guest_id >= OLD_ID && !buffer_id[QUEUE] ->
           PICK_PAGE(p);
           compute_set(p);
           send_set();
           p = 0
       }
#else
    :: atomic { running && guest_id >= OLD_ID && !buffer_id[SET] -> PICK_PAGE(p); compute_set(p); p = 0 }
    :: atomic { running && buffer_id[SET] && !buffer_id[QUEUE] -> send_set() }
#endif
#ifdef GUEST_HOLD
    :: atomic { running && published == DONE_ID -> EACH_PAGE(release) }
#endif
    od
}

#ifdef DMA
/* A device's write: stored, then marked; its pages are nobody's TLB entry. The machine stops with none in hand. */
active proctype dma_writer()
{
    byte p;

end:
    do
    :: atomic {
           running ->
           PICK_PAGE(p);
           if
           :: held[p] || giving[p] -> p = 0
           :: else -> store(p, false); dma[p] = true
           fi
       }
       if
       :: dma[p] -> atomic { mark[p] = true; dma[p] = false; p = 0 }
       :: else
       fi
    od
}
#endif

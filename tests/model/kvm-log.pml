/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's dirty logs, step by step: does any interleaving lose a write? docs/free-page-model.rst; scripts/check-model.
 *
 * free-page.pml takes a lock section for one step and a log for one set of marks. Here is what it leaves out: the
 * kernel's log and the block's marks are two, and a fetch moves bits from one to the other while vCPUs write, other
 * threads harvest, and slots come and go. One slot of two pages that lie in one 64-page unit. Page 0 may be declared
 * free; of the map only what a hint needs is left (ids and epochs are free-page.pml's).
 *
 * -DKVM_GET     KVM_GET_DIRTY_LOG gets and clears the slot
 * -DKVM_CLEAR   manual protect: KVM_CLEAR_DIRTY_LOG; with -DINITIALLY_SET all bits are set as logging starts
 * -DKVM_RING    a ring per vCPU; with -DPML the hardware's own buffer before it
 * -DONE_PAGE    page 1 is not written: a smaller search
 * -DSLOTS       the slot goes and comes while logging is on; -DNO_HINTS: nobody declares pages free
 */
#define BOTH(action)  action(0); action(1)
#ifdef ONE_PAGE
#define PICK_PAGE(p)  p = 0
#define HAS_SECOND    false
#else
#define PICK_PAGE(p)  if :: p = 0 :: p = 1 fi
#define HAS_SECOND    true
#endif

/* ---- contents ---- */

bool running;
bool same[2];              /* the destination's page equals the source's */
bool zero, there_zero;     /* page 0: reads as zero here, there */
bool excused;              /* page 0 was declared free under the open request, and not written since */
bool buffer, buffer_free;  /* page 0 is declared free; ... and was not written since */

/* ---- the kernel: accel/kvm/memory.c and dirty-ring.c ask it ---- */

bool slot_used;
bool writable[2];          /* a write does not fault (or the hardware has logged it already): it leaves no trace */
bool quiesced;             /* no vCPU is in KVM_RUN */

#ifdef KVM_RING
#define NONE     0
#define HARDWARE 1 /* in the hardware's buffer, until its vCPU leaves the guest */
#define PUSHED   2
#define RESET    3 /* harvested, KVM_RESET_DIRTY_RINGS is to come */
byte entry[2];             /* a page has one at most: its next write leaves a trace only after the reset */

#define leave_trace(p)  entry[p] = FIRST_STATE
#ifdef PML
#define FIRST_STATE     HARDWARE
#define leave_guest(p)  entry[p] = (entry[p] == HARDWARE -> PUSHED : entry[p])
#else
#define FIRST_STATE     PUSHED
#define leave_guest(p)  skip
#endif
#ifdef HANDED_BACK_FIRST
bool in_hand; byte in_hand_page; /* the entry's memory, which the next push writes over */
#define push(p)         in_hand_page = (in_hand -> p : in_hand_page)
#else
#define push(p)         skip
#endif
#define forget(p)       entry[p] = NONE
#else
bool klog[2];              /* the slot's dirty bitmap */
#define leave_trace(p)  klog[p] = true
#define leave_guest(p)  skip
#define push(p)         skip
#define forget(p)       klog[p] = false
#endif

#define dirty_vcpu_write(p)                  \
    if                                       \
    :: writable[p]                           \
    :: else ->                               \
        leave_trace(p);                      \
        push(p);                             \
        writable[p] = true                   \
    fi

/* ---- the block's marks, and the locks ---- */

bool mark[2];
bool slots_lock, map_lock;
bool logging;

#define LOCK(l)    atomic { !l -> l = true }
#define UNLOCK(l)  l = false
/* A section under the map's lock that does not touch the log is one step. */
#define MAP_LOCKED(section) atomic { !map_lock -> section }

/* ---- accel/kvm/memory.c, dirty-ring.c ---- */

bool fresh; /* the look is as new as look_wanted asks; a refresh in the middle of one makes it old again */

#define kvm_dirty_log_refresh() fresh = false

#ifdef KVM_RING

#define kvm_slot_mark(p) mark[p] = true

#ifdef HANDED_BACK_FIRST
#define harvest_entry(p)                                        \
    if                                                          \
    :: atomic { entry[p] == PUSHED ->                           \
                forget(p); writable[p] = false;                 \
                in_hand = true; in_hand_page = p };             \
       atomic { kvm_slot_mark(in_hand_page); in_hand = false; in_hand_page = 0 } \
    :: entry[p] != PUSHED                                       \
    fi
#define reset_entry(p) skip
#else
#define harvest_entry(p)                                        \
    if                                                          \
    :: atomic { entry[p] == PUSHED -> kvm_slot_mark(p); entry[p] = RESET } \
    :: entry[p] != PUSHED                                       \
    fi
#define reset_entry(p)                                          \
    if                                                          \
    :: entry[p] == RESET -> forget(p); writable[p] = false      \
    :: else                                                     \
    fi
#endif

/* Slots lock held. */
inline kvm_ring_harvest()
{
    BOTH(harvest_entry);
    d_step { BOTH(reset_entry) } /* KVM_RESET_DIRTY_RINGS */
}

/* Map's lock held: one at a time, so that a refresh meanwhile is the only thing that makes this look old. */
inline fetch(p)
{
    if
    :: fresh
    :: !fresh ->
        fresh = true;
        d_step { BOTH(leave_guest) }; /* kvm_quiesce_begin(), kvm_quiesce_end() */
        LOCK(slots_lock);
        kvm_ring_harvest();
        UNLOCK(slots_lock)
    fi
}

#define log_begin(p) forget(p); writable[p] = false
#define log_protect() skip
#define remove_log() kvm_ring_harvest()

#else

bool log[2]; /* slot->log */
#define get(p)         log[p] = klog[p]
#define log_mark(p)    mark[p] = mark[p] || log[p]
#define log_forget(p)  log[p] = false
#define protect(p)     writable[p] = writable[p] && !log[p]

#ifdef CLEAR_ALL
#define clear(p)       klog[p] = false; log[p] = true
#else
#define clear(p)       klog[p] = klog[p] && !log[p]
#endif

/* The kernel drops bits and mappings; until the TLBs are flushed a vCPU may write as before. */
inline log_clear()
{
    d_step { BOTH(clear) };
    d_step { BOTH(protect) }
}

/* Slots lock held. */
inline log_look()
{
    if
    :: fresh
    :: !fresh ->
        fresh = true;
#ifdef KVM_GET
        d_step { BOTH(get); BOTH(forget) };
        d_step { BOTH(protect) };
        log_mark(0);
        log_mark(1);
        d_step { BOTH(log_forget) }
#else
        d_step { BOTH(get) }
#endif
    fi
}

/* The unit is both pages, whichever is asked for. */
inline log_fetch(p)
{
    log_look();
    if
    :: log[0] || log[1] ->
#ifdef NEIGHBOUR_UNMARKED
        log_mark(p);
#else
        log_mark(0);
        log_mark(1);
#endif
#ifndef CLEAR_LATER
        log_clear();
        d_step { BOTH(log_forget) }
#endif
    :: else
    fi
}

/* Map's lock held. */
inline fetch(p)
{
    LOCK(slots_lock);
    if
    :: logging && slot_used -> log_fetch(p)
    :: else
    fi;
    UNLOCK(slots_lock)
}

#ifdef INITIALLY_SET
#define log_begin(p)   klog[p] = true; writable[p] = true
#define log_unknown(p) log[p] = true
inline log_protect()
{
    d_step { BOTH(log_unknown) };
    log_clear();
    d_step { BOTH(log_forget) }
}
#else
#define log_begin(p)   forget(p); writable[p] = false
#define log_protect()  skip
#endif
#ifdef REMOVED_UNFETCHED
#define remove_log()   skip
#else
#define remove_log()   kvm_dirty_log_refresh(); log_fetch(0)
#endif
#endif

/* What one batch's harvest has marked counts only once its pages are protected again. */
#ifdef ARM_WITHOUT_WAIT
#define arm() skip
#else
#define arm() !slots_lock /* kvm_dirty_log_arm() */
#endif

/* ---- the map ---- */

bool dirty[2];
bool since, claimed, hole, doubt, item, in_use; /* of page 0 */
bool fp_lock, fp_id;

#define word_redirty(p)               \
    dirty[p] = true;                  \
    since = since || p == 0;          \
    hole = hole && p != 0

inline ram_block_dirty_take(p)
{
    d_step {
        if
        :: mark[p] -> mark[p] = false; word_redirty(p)
        :: else
        fi
    }
}

/* One slice has both. */
inline page_map_sync()
{
    kvm_dirty_log_refresh();
    LOCK(map_lock);
    fetch(0);
    ram_block_dirty_take(0);
    ram_block_dirty_take(1);
    UNLOCK(map_lock);
    arm()
}

bool taken;

/* Map's lock held from the check of the id on. */
inline page_map_hint()
{
    fetch(0);
    d_step {
        taken = mark[0];
        mark[0] = false;
        excused = excused || buffer_free;
        if
        :: taken || since ->
            doubt = doubt || taken || dirty[0];
            since = since || taken;
            hole = hole && !taken;
            dirty[0] = false
        :: else -> dirty[0] = false
        fi;
        taken = false
    }
}

#define take_doubts()                   \
    item = doubt;                       \
    hole = hole || (item && !dirty[0]); \
    doubt = false

/* The destination began as zeros. */
#define decide()                                                                       \
    if                                                                                 \
    :: !in_use && hole && !claimed                                                     \
    :: !in_use && hole && claimed -> word_redirty(0); hole = true                      \
    :: in_use || !hole -> word_redirty(0)                                              \
    fi;                                                                                \
    item = false;                                                                      \
    in_use = false

inline page_map_look()
{
    MAP_LOCKED(take_doubts());
    if
    :: item ->
        arm();
        in_use = !zero;
        MAP_LOCKED(decide())
    :: else
    fi
}

/* ---- the threads ---- */

/* free_page_hint(), and the helper's look after it. */
active proctype device()
{
end:
    do
    :: buffer ->
        LOCK(fp_lock);
        if
        :: buffer ->
            kvm_dirty_log_refresh();
            LOCK(map_lock);
            page_map_hint();
            UNLOCK(map_lock)
        :: else
        fi;
        d_step { buffer = false; buffer_free = false };
        UNLOCK(fp_lock)
    :: doubt -> page_map_look()
    od
}

#define store(p, is_zero)                                        \
    dirty_vcpu_write(p);                                         \
    zero = (p == 0 -> is_zero : zero);                           \
    same[p] = p == 0 && is_zero && there_zero;                   \
    excused = excused && p != 0;                                 \
    buffer_free = buffer_free && p != 0

active proctype vcpu()
{
    byte p;

    do
    :: atomic { !running -> break }
    :: atomic { running && slot_used && !quiesced -> PICK_PAGE(p); store(p, false); p = 0 }
    :: atomic { running && slot_used && !quiesced -> store(0, true) }
#ifndef NO_HINTS
    :: atomic { running && fp_id && !buffer -> buffer = true; buffer_free = true }
#endif
    od
}

bool harvesting; /* the machine does not stop meanwhile */

#ifdef KVM_RING
/* Another vCPU, whose ring is full at any time: kvm_dirty_ring_full(). What it writes, the first might have. */
active proctype full_vcpu()
{
end:
    do
    :: atomic { running && !quiesced -> BOTH(leave_guest); harvesting = true };
       LOCK(slots_lock);
       kvm_ring_harvest();
       UNLOCK(slots_lock);
       harvesting = false
    od
}
#endif

#ifdef SLOTS
bool changing;
#define unmap(p) forget(p); writable[p] = false

/* topology_changed(): one that goes leaves no vCPU in KVM_RUN; one that comes is added while they run. */
active proctype main_loop()
{
end:
    do
    :: atomic { running && logging && slot_used -> changing = true; quiesced = true; BOTH(leave_guest) };
       LOCK(slots_lock);
       remove_log();
       d_step { slot_used = false; BOTH(unmap) };
       UNLOCK(slots_lock);
       atomic { quiesced = false; changing = false }
    :: atomic { running && logging && !slot_used -> changing = true };
       LOCK(slots_lock);
       d_step { slot_used = true; fresh = false; BOTH(log_begin) };
       log_protect();
#ifndef ADDED_UNMARKED
       d_step { mark[0] = true; mark[1] = true };
#endif
       UNLOCK(slots_lock);
       changing = false
    od
}
#define CHANGING changing
#else
#define CHANGING false
#endif

/* Claim, read and send, say what was read; a hole is not read. */
inline send_page(p)
{
    MAP_LOCKED(dirty[p] = false; claimed = claimed || p == 0; run_hole = p == 0 && hole);
    d_step {
        run_zero = p == 0 && (run_hole || zero);
        same[p] = !run_hole || zero;
        there_zero = (p == 0 -> run_zero : there_zero)
    };
    MAP_LOCKED(claimed = claimed && !run_zero; run_zero = false; run_hole = false)
}

/* A buffer under this id is late from here on. */
inline close_request()
{
    LOCK(fp_lock);
    MAP_LOCKED(fp_id = false; buffer = false; buffer_free = false);
    UNLOCK(fp_lock);
    arm();
    MAP_LOCKED(if :: doubt -> word_redirty(0); doubt = false :: else fi);
    !item
}

#ifdef ASSERT_NOTHING_LEFT_OUT
#define kept() assert(same[0] && same[1])
#else
#define kept() assert((same[0] || excused) && same[1])
#endif

active proctype migration()
{
    bool run_hole, run_zero;

    /* dirty_log_start, page_map_new, dirty_log_protect */
    atomic {
        running = true; slot_used = true; logging = true;
        if
        :: zero = true
        :: zero = false
        fi;
        BOTH(log_begin);
        dirty[0] = true; dirty[1] = HAS_SECOND; same[1] = !HAS_SECOND; there_zero = true; same[0] = zero
    };
#ifndef PROTECTED_LATE
    LOCK(slots_lock);
    log_protect();
    UNLOCK(slots_lock);
#endif
    do
    :: dirty[0] -> send_page(0)
    :: dirty[1] -> send_page(1)
#ifdef PROTECTED_LATE
    :: LOCK(slots_lock); log_protect(); UNLOCK(slots_lock)
#endif
    :: page_map_sync()
#ifdef CLEAR_LATER
    :: LOCK(slots_lock); log_clear(); d_step { BOTH(log_forget) }; UNLOCK(slots_lock)
#endif
    :: !fp_id -> /* ask() */
        page_map_sync();
        MAP_LOCKED(since = false; fp_id = true)
    :: fp_id -> close_request()
    :: break
    od;
    close_request();
    atomic { !CHANGING && !harvesting -> running = false; BOTH(leave_guest) };
    do
    :: page_map_sync();
       if
       :: dirty[0] -> send_page(0)
       :: dirty[1] -> send_page(1)
       :: else -> break
       fi
    od;
    kept()
}

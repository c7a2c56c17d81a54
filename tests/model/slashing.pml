/* slashing.pml - several enclaves, one shared store, a network that loses, delays and repeats.
 *
 * The store holds one item for the validator (one is enough: items do not touch each other) and the head.
 * Every write is a compare-and-set of a whole item: its condition is the MAC that the writer saw last, and a
 * MAC stands for the contents, so contents are compared. An item is one number: a generation, and the marks
 * of votes and of blocks, each with the root of the message that stands there.
 *
 * Each `atomic` is one event, at the store or in one signer. Between any two of them anything else may happen,
 * a signer may die and begin again without memory, and a write that got no answer may reach the store, once
 * or often. Clients ask anybody for anything, in any order.
 *
 * Pairs of signatures are judged by means of one witness: each signature that leaves may be remembered or not
 * (spin tries both), and all later ones are compared with it. So every pair is seen, and no history is needed.
 *
 * ./check has the table of what spin is asked, and of the mutilations that it must find.
 */
#ifndef FLEET_SIGNERS
#define FLEET_SIGNERS 0
#endif
#ifndef SINGLE_SIGNERS
#define SINGLE_SIGNERS 0
#endif
#ifndef EPOCHS
#define EPOCHS 3 /* targets 1..EPOCHS; three are needed for one vote to surround another */
#endif
#ifndef SOURCES
#define SOURCES EPOCHS /* sources 0..SOURCES; two are enough to surround */
#endif
#ifndef SLOTS
#define SLOTS 0
#endif
#ifndef GENERATIONS
#define GENERATIONS 3 /* so often a generation can be taken */
#endif
#define ROOTS 2
#define FLEET 0
#define SINGLE 1

/* ---- items ---- */

#define VOTE_MARK(source, target, root) ((source) | (target) << 2 | (root) << 4)
#define BLOCK_MARK(slot, root) ((slot) << 6 | (root) << 8)
#define ITEM(generation, marks) ((generation) << 10 | (marks))

#define SOURCE(item) ((item) & 3)
#define TARGET(item) ((item) >> 2 & 3) /* 0: no vote yet */
#define SLOT(item) ((item) >> 6 & 3)   /* 0: no block yet */
#define VOTE_OF(item) ((item) & 63)
#define BLOCK_OF(item) ((item) & 960)
#define MARKS(item) ((item) & 1023)
#define GENERATION(item) ((item) >> 10)
#define FIRST_ROOT(item) (((item) >> 4 & 3) == 1 || ((item) >> 8 & 3) == 1)

/* Whether a record refuses everything that an earlier one refuses. */
#define COVERS(later, earlier) \
    (SOURCE(later) >= SOURCE(earlier) && TARGET(later) >= TARGET(earlier) && SLOT(later) >= SLOT(earlier) && \
     (TARGET(later) > TARGET(earlier) || VOTE_OF(later) == VOTE_OF(earlier)) && \
     (SLOT(later) > SLOT(earlier) || BLOCK_OF(later) == BLOCK_OF(earlier)))

/* ---- the store and the network ---- */

short item;               /* at first of generation 0 and without marks */
byte head;                /* the generation taken last */
short late_old, late_new; /* a write that got no answer: it may come at any time, repeatedly, or never */
byte late_head;           /* 1 + the generation that a late write of the head expects; 0: none */

/* ---- the properties ---- */

short witness;                /* a message that was signed */
byte serving;                 /* the highest generation that serves in single mode */
bool taken[GENERATIONS + 1];  /* by a signer that knows it */
/* Not part of the state: set and asserted within one event. */
hidden byte double_vote, surround_vote, double_proposal, older_generation_records, item_recurs;

/* Roots are only ever compared for being equal, so they can be renamed: if there is a bad pair, there is one
 * whose earlier message has the first root. */
inline emit(message)
{
    double_vote = TARGET(message) && TARGET(message) == TARGET(witness) && message != witness;
    surround_vote = TARGET(message) && TARGET(witness) &&
                    ((SOURCE(message) < SOURCE(witness) && TARGET(message) > TARGET(witness)) ||
                     (SOURCE(message) > SOURCE(witness) && TARGET(message) < TARGET(witness)));
    double_proposal = SLOT(message) && SLOT(message) == SLOT(witness) && message != witness;
    assert(!double_vote);
    assert(!surround_vote);
    assert(!double_proposal);
    if
    :: witness == 0 && FIRST_ROOT(message) -> witness = message
    :: true
    fi
}

#ifdef BLIND_WRITES
#define HOLDS(old) true
#elif defined(CONDITION_ON_VOTE)
#define HOLDS(old) (GENERATION(item) == GENERATION(old) && VOTE_OF(item) == VOTE_OF(old))
#else
#define HOLDS(old) (item == (old))
#endif

/* The store's side of a write whose condition holds. As long as items only grow, which is asserted, one that
 * was replaced never comes back, and a late write with that condition can be forgotten: states saved. */
inline set(new)
{
    older_generation_records = GENERATION(new) < serving && MARKS(new) != MARKS(item);
    assert(!older_generation_records);
#ifndef ITEMS_MAY_RECUR
    item_recurs = !COVERS(new, item) || GENERATION(new) < GENERATION(item);
    assert(!item_recurs);
#endif
    item = new;
    forget_late()
}

inline forget_late()
{
#ifdef ITEMS_MAY_RECUR
    skip
#else
    if
    :: late_old != item -> late_old = 0; late_new = 0
    :: else
    fi
#endif
}

inline send_late(old, new)
{
    late_old = old;
    late_new = new;
    forget_late()
}

/* ---- the signer ---- */

mtype = {CLAIM, VOTE, BLOCK};

/* EIP-3076, minimal conditions, on the record in memory. */
#ifdef NO_SOURCE_RULE
#define SOURCE_ALLOWED(o) true
#else
#define SOURCE_ALLOWED(o) (SOURCE(o) <= TARGET(o) && SOURCE(o) >= SOURCE(memory))
#endif
#ifdef EQUAL_ALLOWED
#define TARGET_ALLOWED(o) (TARGET(o) >= TARGET(memory))
#else
#define TARGET_ALLOWED(o) (TARGET(o) > TARGET(memory))
#endif
#define VOTE_IS_NEW(o) (SOURCE_ALLOWED(o) && TARGET_ALLOWED(o))
#define BLOCK_IS_NEW(o) (SLOT(o) > SLOT(memory))

#define IS_REPEAT(o) (kind == VOTE -> (o) == VOTE_OF(memory) : (o) == BLOCK_OF(memory))
#define IS_NEW(o) (!IS_REPEAT(o) && (kind == VOTE -> VOTE_IS_NEW(o) : BLOCK_IS_NEW(o)))
#define NEXT_MARKS(o) (kind == VOTE -> (BLOCK_OF(memory) | (o)) : (VOTE_OF(memory) | (o)))
/* The item that is written: what is in memory does not change while a write is under way. */
#define WANTED ITEM(generation, (kind == CLAIM -> MARKS(memory) : NEXT_MARKS(order)))

hidden byte source, height, root;
hidden short wanted;

inline any_order()
{
    if
#if EPOCHS > 0
    :: kind = VOTE;
       select(source : 0 .. SOURCES);
       select(height : 1 .. EPOCHS);
       select(root : 1 .. ROOTS);
       order = VOTE_MARK(source, height, root)
#endif
#if SLOTS > 0
    :: kind = BLOCK;
       select(height : 1 .. SLOTS);
       select(root : 1 .. ROOTS);
       order = BLOCK_MARK(height, root)
#endif
    fi
}

inline forget_order()
{
    kind = 0;
    order = 0
}

/* A process is restarted by whoever runs it, after a crash at any moment, and after it ended by itself. */
#ifdef NO_CRASH
#define MAY_CRASH false
#else
#define MAY_CRASH true
#endif

proctype signer(byte mode)
{
    short memory; /* the item as this signer knows it */
    short order;
    mtype kind; /* what is asked for, or CLAIM */
    byte generation;

start:
    atomic {
        memory = 0;
        forget_order();
        generation = head;
        if
        :: mode == FLEET -> goto first_read
        :: mode == SINGLE && head < GENERATIONS
        fi
    }

take_generation: /* `generation` is what was read, until the write of the head is acknowledged */
    if
    :: atomic { head == generation -> head++; goto own_generation }
    /* Another may have taken it: that the head is what I wanted to write does not make it mine. */
#ifdef HEAD_CONFLICT_IS_DONE
    :: atomic { head == generation + 1 -> goto own_generation }
#endif
    :: atomic { head != generation -> goto start }
    :: atomic { late_head = generation + 1; goto start } /* no answer: perhaps taken, and nobody's */
    fi;

own_generation:
    atomic {
        generation++;
        assert(!taken[generation]);
        taken[generation] = true
    }

first_read:
    atomic {
        memory = item;
        if
        :: GENERATION(memory) > generation -> goto fenced
#ifndef NO_CLAIM
        :: GENERATION(memory) <= generation && mode == SINGLE -> kind = CLAIM; goto write
#endif
        :: else
        fi
    }

serve:
    atomic {
        if
        :: mode == SINGLE && generation > serving -> serving = generation
        :: else
        fi;
        forget_order()
    }

idle:
    do
    :: atomic {
           any_order();
           if
           :: IS_REPEAT(order) -> emit(order) /* without asking the store */
           :: IS_NEW(order) -> goto write
           :: else
           fi;
           forget_order()
       }
    :: atomic { MAY_CRASH -> goto start }
    od;

write:
#ifdef SIGN_FIRST
    atomic {
        if
        :: kind != CLAIM -> emit(order)
        :: else
        fi
    }
#endif
    if
    :: atomic { HOLDS(memory) -> wanted = WANTED; set(wanted); goto done }
    :: atomic { !HOLDS(memory) -> goto conflict }
    :: atomic { wanted = WANTED; send_late(memory, wanted); goto no_answer }
    fi;

no_answer:
    atomic {
        if
#ifdef UNKNOWN_IS_DONE
        :: goto done
#endif
#ifdef MEMORY_RUNS_AHEAD
        :: memory = WANTED; goto serve
#endif
        :: goto write /* the very same compare-and-set again */
        :: goto read_again
        :: MAY_CRASH -> goto start
        fi
    }

read_again: /* given up, without a signature; nothing is decided for the key before the item is read */
    atomic {
#ifdef NO_READ_AGAIN
        if
        :: kind != CLAIM -> goto serve
        :: else
        fi;
#endif
        if
        :: GENERATION(item) > generation -> goto fenced
        :: GENERATION(item) <= generation && !COVERS(item, memory) -> goto rolled_back
        :: else -> memory = item
        fi;
        if
        :: kind == CLAIM && GENERATION(memory) < generation -> goto write
        :: else -> goto serve
        fi
    }

conflict: /* the store's answer has the item as it was in that moment */
    atomic {
        if
        :: item == WANTED -> goto done /* mine after all, or another signer's of the same message */
        :: item != WANTED && GENERATION(item) > generation -> goto fenced
#ifndef NO_COVERS
        :: item != WANTED && GENERATION(item) <= generation && !COVERS(item, memory) -> goto rolled_back
#endif
        :: else -> memory = item
        fi;
        if
        :: kind == CLAIM || (kind != CLAIM && IS_NEW(order)) -> goto write
        :: kind != CLAIM && IS_REPEAT(order) -> goto sign
        :: else -> goto serve
        fi
    }

done:
    atomic {
        memory = WANTED;
        if
        :: kind == CLAIM -> goto serve
        :: else
        fi
    }

sign:
    if
    :: atomic {
#ifdef NOT_EVEN_WHAT_IS_RECORDED
           assert(mode == FLEET || generation >= serving);
#endif
           emit(order);
           goto serve
       }
    :: atomic { MAY_CRASH -> goto start }
    fi;

fenced: /* signs nothing any more */
    atomic { MAY_CRASH -> goto start }

rolled_back: /* signs nothing for this key any more */
    atomic { MAY_CRASH -> goto start }
}

proctype network()
{
    do
    :: atomic { late_new && HOLDS(late_old) -> set(late_new) }
    :: atomic { late_head && head == late_head - 1 -> head++ }
#ifdef ROLLBACK
    :: atomic { item != 0 -> item = 0 } /* somebody with authority over the store restores its first copy */
#endif
    od
}

init
{
    byte i;
    atomic {
#if FLEET_SIGNERS > 0
        for (i : 1 .. FLEET_SIGNERS) {
            run signer(FLEET)
        }
#endif
#if SINGLE_SIGNERS > 0
        for (i : 1 .. SINGLE_SIGNERS) {
            run signer(SINGLE)
        }
#endif
        run network()
    }
}

/* faults.c - see faults.h. */
#include "faults.h"

#include <stdatomic.h>
#include <stddef.h>

#include "testing.h"

static struct faults *_Atomic armed;

bool faults_again(struct faults *f)
{
    if (f->begun && f->function) {
        f->at++;
    } else if (f->begun && !f->rest) {
        f->rest = true;
        f->at = 0;
    } else if (f->begun) {
        return false;
    }
    f->begun = true;
    return true;
}

void faults_begin(struct faults *f)
{
    f->num_calls = 0;
    f->function = NULL;
    if (error_set(E_INTERNAL, "%s", "").code)
        atomic_store(&armed, f);
}

void faults_end(struct faults *f)
{
    (void)f;
    atomic_store(&armed, NULL);
}

struct faults *faults_pause(void)
{
    return atomic_exchange(&armed, NULL);
}

void faults_go_on(struct faults *f)
{
    atomic_store(&armed, f);
}

bool faults_now(const char *function)
{
    struct faults *f = atomic_load(&armed);
    if (!f)
        return false;
    unsigned call = f->num_calls++;
    if (call != f->at && !(f->rest && call > f->at))
        return false;
    if (!f->function)
        f->function = function;
    return true;
}

long faults_refusal(void)
{
    return error_set(E_MEMORY, "made to fail").code;
}

void assert_fault(const struct faults *f, result r)
{
    if (!f->function && r.code)
        fail_msg("refused though no call failed: %s", error_text());
    if (f->function && !r.code)
        fail_msg("accepted though %s failed, call %u", f->function, f->at);
    if (f->function && !error_text()[0])
        fail_msg("no sentence when %s failed, call %u", f->function, f->at);
}

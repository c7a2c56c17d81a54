#include "keeper_courier.h"
#include "keeper_faults.h"
int main(void)
{
    return 0;
}

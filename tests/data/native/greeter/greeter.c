/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "greeting.h"
#include "shared.h"

int main(void)
{
    return printf("%s from %s and %s\n", greeting(), __FILE__, shared()) < 0;
}

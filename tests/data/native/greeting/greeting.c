/* SPDX-License-Identifier: Apache-2.0 */
#include "greeting.h"

const char *greeting(void) { return "good morning"; }

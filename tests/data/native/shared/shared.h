/* SPDX-License-Identifier: Apache-2.0 */
static inline const char *shared(void) { return __FILE__; }

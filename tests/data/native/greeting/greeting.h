/* SPDX-License-Identifier: Apache-2.0 */
const char *greeting(void);

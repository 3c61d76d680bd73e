/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VOLT_H
#define VOLT_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct volt_error - why a call failed
 * @code: positive errno value, 0 while nothing has failed
 * @msg:  one line for a person, no newline, cut to fit
 *
 * The caller owns it and normally keeps it on the stack. It holds no pointers: nothing is
 * to be freed, it works when memory is out, and it goes through a pipe in one write.
 */
struct volt_error {
	int code;
	char msg[508];
};

#ifdef __cplusplus
}
#endif
#endif

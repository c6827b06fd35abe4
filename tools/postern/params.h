/* SPDX-License-Identifier: ISC
 *
 * params.h - what the postern command keeps in main.cf.
 */
#ifndef TOOLS_POSTERN_PARAMS_H
#define TOOLS_POSTERN_PARAMS_H

#define POSTERN_PARAMS(P) \
    P(UINT, port_base, "postern_port_base", "2000", 1, 64540, "What is added to the port numbers of a private instance, as postern try made it.")
#endif

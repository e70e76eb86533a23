/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole public API of libcrosvm. */
#ifndef CROSVM_CROSVM_H
#define CROSVM_CROSVM_H

#include <crosvm/backend.h>
#include <crosvm/device.h>
#include <crosvm/error.h>
#include <crosvm/host.h>
#include <crosvm/log.h>
#include <crosvm/memory.h>
#include <crosvm/sandbox.h>
#include <crosvm/version.h>
#include <crosvm/vm.h>

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The program of a device process. */
#ifndef CV_PROCESS_DEVICE_MAIN_H
#define CV_PROCESS_DEVICE_MAIN_H

/* Serves one device, as told on the connected socket @control, which is borrowed; its exit status. */
int cv_device_main(int control);

#endif

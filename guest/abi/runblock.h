/*
 * The run block: what to run and how, given by the host as the first PVH module.
 *
 * Text, so that a shell can make one: "NTMM1" NUL, then KEY=VALUE NUL ..., then a last NUL.
 * UTF-8. Unknown keys are ignored. Numbers are decimal or 0x-hex.
 *
 *   exe=D:\hog.exe            image to start, as the guest names it
 *   cmdline="hog.exe" 64      the whole command line, quoted as CommandLineToArgvW undoes it
 *   cwd=D:\                   current folder
 *   env=NAME=VALUE            repeated: the environment
 *   tty=0..7                  bit 0, 1, 2: stdin, stdout, stderr is a terminal on the host
 *   cpus=N                    CPUs to start when CPUID leaf NTMM_CPUID_INFO is absent
 *   pagefile.K.max=BYTES      how far pagefile K may grow (K = 0..15)
 *   drive.L=ro|rw             drive letter L: is a 9P device whose mount tag is that letter
 *   ram=zero                  RAM from 1 MB on reads as zeros where nothing was loaded at start, so
 *                             that nobody needs to zero it, nor the host to back it before its use
 *   aslr=SEED|off             address-space layout randomization
 *   time=UNIX_NANOSECONDS     wall-clock time at start
 *   debug=KEYWORDS            comma separated: pfncheck (check the database at exit), verbose
 *   compression=on            modified pages are compressed in memory before pagefiles are used
 *   largeaddress=8tb          Windows 8's 8 TB user partition in place of 128 TB
 */
#ifndef NTMM_ABI_RUNBLOCK_H
#define NTMM_ABI_RUNBLOCK_H

#define NTMM_RUNBLOCK_MAGIC "NTMM1"
#define NTMM_RUNBLOCK_MAX   0x40000 /* bytes */

/* Devices, all virtio 1.x over PCI with MSI-X:
 *   virtio-blk      one for each pagefile; its serial (VIRTIO_BLK_T_GET_ID) is "pagefileK"
 *   virtio-console  one, with VIRTIO_CONSOLE_F_MULTIPORT: port 0 stdin and stdout, port 1 stderr
 *   virtio-9p       one for each drive; its mount tag is the lower-case drive letter
 */
#define NTMM_CONSOLE_STDIO  0
#define NTMM_CONSOLE_STDERR 1
#define NTMM_MAX_PAGEFILES  16

#endif

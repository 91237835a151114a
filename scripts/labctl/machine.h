/* Setting up the small Linux that a leg of the lab runs in (machine.c). */
#ifndef NTMM_LABCTL_MACHINE_H
#define NTMM_LABCTL_MACHINE_H

/* Complains: what could not be done, with what, and errno's reason. */
void machine_say(const char *what, const char *arg);

/* Mounts, making the target. */
void machine_mount(const char *source, const char *target, const char *type, unsigned long flags,
		   const char *options);

/* /dev, /proc, /sys, the console as standard streams, all modules, /dev/kvm for everybody. */
void machine_set_up(void);

#endif

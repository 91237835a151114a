/* Private to the lab's agent: init (agent.c), one port's sessions (session.c), a command
 * (command.c). */
#ifndef NTMM_LABCTL_AGENT_H
#define NTMM_LABCTL_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "scripts/labctl/proto.h"

/* Shared by all processes of the agent. */
struct agent_shared {
	_Atomic unsigned sessions; /* clients connected now */
};
extern struct agent_shared *agent_shared;
struct agent_shared *agent_share(void);

/* Serves the port's clients, one after the other. */
__attribute__((noreturn)) void session_loop(int port);

/* A command that runs, seen from its session. Descriptors are -1 when closed; all non-blocking. */
struct command {
	int in, out, err; /* our ends; with a terminal some of them are the same descriptor */
	int terminal;	  /* the master side, or -1 */
	int control;	  /* to the command's init: bytes that are signal numbers */
	int status;	  /* from it: u32 wait status, or a text why it could not start */
	pid_t pid;	  /* of the process that holds the name space; killing it kills all */
};

/* `run`: the RUN frame's strings. On failure `why` says so. */
int command_start(struct command *command, const char *run, size_t bytes, char *why,
		  size_t why_bytes);
void command_kill(struct command *command);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * A signal that arrives just before a system call starts would not interrupt
 * it.  So a second thread watches: once a signal has been seen it nudges the
 * first thread, again and again, until the call returns.  The same thread
 * draws the progress line.
 */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "device.h"
#include "wait.h"

#define TICK_NS		200000000L
#define NUDGE		SIGUSR1

/* How long to wait for the call to end before a further signal ends all. */
#define PATIENCE_S	1

static volatile sig_atomic_t interrupted;
static struct timespec interrupted_at;	/* set once, by the first signal */

struct watch {
	pthread_t thread;
	pthread_t caller;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done;			/* under @lock */
	void (*tick)(void *arg);
	void *tick_arg;
};

/*
 * Signals often come twice at once: timeout(1) sends them to the process and to
 * its group.  So only a later one means that the user has lost patience.
 */
static void on_interrupt(int number)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!interrupted) {
		interrupted_at = now;
		interrupted = 1;
	} else if (now.tv_sec - interrupted_at.tv_sec > PATIENCE_S) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

static void on_nudge(int number)
{
	(void)number;
}

/* Without SA_RESTART, so that the signal ends a system call. */
static void handle(int number, void (*handler)(int))
{
	struct sigaction old, new = { .sa_handler = handler };

	/* Who started us with the signal ignored, as nohup does, means it. */
	if (number != NUDGE && !sigaction(number, NULL, &old) && old.sa_handler == SIG_IGN)
		return;
	sigemptyset(&new.sa_mask);
	sigaction(number, &new, NULL);
}

static void *watch_thread(void *arg)
{
	struct watch *watch = arg;
	struct timespec until;

	pthread_mutex_lock(&watch->lock);
	while (!watch->done) {
		if (watch->tick)
			watch->tick(watch->tick_arg);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&watch->done_cond, &watch->lock, &until);
		if (interrupted && !watch->done)
			pthread_kill(watch->caller, NUDGE);
	}
	pthread_mutex_unlock(&watch->lock);
	return NULL;
}

static int watch_start(struct watch *watch)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->done_cond, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&watch->lock, NULL);
	watch->caller = pthread_self();

	/* Signals are for the thread that is in the call. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&watch->thread, NULL, watch_thread, watch);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static void watch_stop(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->done = true;
	pthread_cond_signal(&watch->done_cond);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	pthread_cond_destroy(&watch->done_cond);
	pthread_mutex_destroy(&watch->lock);
}

/**
 * wait_call - do a call that may last, so that a signal can end it
 * @call: returns 0 or an errno
 * @arg: for @call
 * @tick: called several times a second in another thread, or NULL
 * @tick_arg: for @tick
 *
 * Return: what @call returned.
 */
int wait_call(int (*call)(void *arg), void *arg, void (*tick)(void *arg), void *tick_arg)
{
	struct watch watch = { .tick = tick, .tick_arg = tick_arg };
	bool watched;
	int err;

	handle(NUDGE, on_nudge);
	handle(SIGINT, on_interrupt);
	handle(SIGTERM, on_interrupt);
	handle(SIGHUP, on_interrupt);

	watched = !watch_start(&watch);
	err = call(arg);
	if (watched)
		watch_stop(&watch);
	return err;
}

struct ioctl_call {
	int fd;
	unsigned long request;
	void *arg;
};

static int do_ioctl(void *arg)
{
	struct ioctl_call *call = arg;

	return device_call(call->fd, call->request, call->arg);
}

/* wait_call() for an ioctl, without a tick. */
int wait_ioctl(int fd, unsigned long request, void *arg)
{
	struct ioctl_call call = { fd, request, arg };

	return wait_call(do_ioctl, &call, NULL, NULL);
}

/* Whether a signal has asked for the end, even if no call was cut short. */
bool wait_interrupted(void)
{
	return interrupted;
}

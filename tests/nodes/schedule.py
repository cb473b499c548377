# SPDX-License-Identifier: Apache-2.0
"""Virtual time for several agents at once.

Every job is a thread, and exactly one runs at a time: a job that sleeps hands over to the one that wakes next. So the
order of everything follows from the durations, a run takes no real time, and the same run happens again every time.
"""

import threading


SLEEPS_MOST = 200000  # of all jobs together


class Schedule:
    """A clock (see quorate.host.clock.Clock) whose sleepers let others run meanwhile."""

    def __init__(self, unix=1_700_000_000.0):
        self.elapsed = 0.0
        self._unix = unix
        self._due = []        # (seconds, order, effect or _Job)
        self._order = self._sleeps = 0
        self._back = threading.Semaphore(0)
        self._jobs = {}       # thread id -> _Job

    # The clock

    def now(self):
        return self._unix + self.elapsed

    def monotonic(self):
        return 1000.0 + self.elapsed

    def sleep(self, seconds):
        self._sleeps += 1
        assert self._sleeps < SLEEPS_MOST, "something waits without end"
        # A loop that sleeps for nothing still gets to its end.
        end = self.elapsed + max(0.001, seconds)
        job = self._jobs.get(threading.get_ident())
        if job is None:
            self._until(end)
            return
        self._add(end, job)
        self._back.release()
        job.turn.acquire()

    def at(self, seconds, effect):
        """Have `effect` called so many seconds from now."""
        self._add(self.elapsed + seconds, effect)

    def _add(self, when, what):
        self._order += 1
        self._due.append((when, self._order, what))
        self._due.sort(key=lambda one: one[:2])

    # Jobs

    def run(self, jobs):
        """Run these callables at once until each has ended. Their results, in order; an exception of one is raised."""
        assert threading.get_ident() not in self._jobs, "a job runs no jobs"
        started = [_Job(self, call) for call in jobs]
        for job in started:
            self._add(self.elapsed, job)
        while any(not job.ended for job in started):
            self._step()
            for job in started:
                if job.error is not None:  # the others wait for ever, in threads that end with the process
                    raise job.error
        for job in started:
            job.thread.join()
        return [job.result for job in started]

    def pass_time(self, seconds):
        """Let time pass while no job runs."""
        self._until(self.elapsed + seconds)

    def _until(self, end):
        while self._due and self._due[0][0] <= end:
            self._step()
        self.elapsed = max(self.elapsed, end)

    def _step(self):
        when, _order, what = self._due.pop(0)
        self.elapsed = max(self.elapsed, when)
        if isinstance(what, _Job):
            what.go_on()
            self._back.acquire()
        else:
            what()


class _Job:
    def __init__(self, schedule, call):
        self.result = self.error = None
        self.ended = False
        self.turn = threading.Semaphore(0)
        self._schedule = schedule
        self._call = call
        self.thread = threading.Thread(target=self._work, daemon=True)

    def go_on(self):
        if self.thread.ident is None:
            self.thread.start()
        self.turn.release()

    def _work(self):
        self.turn.acquire()
        jobs = self._schedule._jobs
        jobs[threading.get_ident()] = self
        try:
            self.result = self._call()
        except BaseException as error:  # raised again by run(), in the thread of the test
            self.error = error
        finally:
            del jobs[threading.get_ident()]
            self.ended = True
            self._schedule._back.release()

package probe_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"relink/php"
	"relink/php/apache"
	"relink/php/probe"
)

// All processes of mod_php are reached, and the process table tells when.
func TestEveryWebWorkerIsSwept(t *testing.T) {
	s := newSite(t, startPrefork, web{workers: 5})
	a := s.ask()
	workers := s.beside(a).Workers
	children := s.children()
	slices.Sort(children)
	if len(workers) != 5 || !slices.Equal(workers, children) {
		t.Fatalf("%v, want %v", workers, children)
	}
	swept := sweepAll(t, s.agent(), workers)
	for _, pid := range workers {
		if !swept[pid] {
			t.Errorf("%d was not reached", pid)
		}
	}
}

// sweepAll calls as many at once as there are workers, until all have answered or
// the time is up.
func sweepAll(t *testing.T, agent *php.Agent, workers []int) map[int]bool {
	t.Helper()
	ctx := bounded(t)
	swept := map[int]bool{}
	for len(swept) < len(workers) && ctx.Err() == nil {
		var wait sync.WaitGroup
		var lock sync.Mutex
		for range workers {
			wait.Go(func() {
				worker, err := agent.Sweep(ctx)
				lock.Lock()
				defer lock.Unlock()
				if err != nil {
					t.Error(err)
				}
				swept[worker.PID] = true
			})
		}
		wait.Wait()
	}
	return swept
}

// The daemon of mod_cgid and a child of before a graceful restart take no request,
// and would be waited for in vain.
func TestWebWorkersAreThoseThatListen(t *testing.T) {
	s := newSite(t, startPrefork, web{workers: 2, rules: "LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so\n"})
	until := s.root + "/releases/until"
	writeFile(t, s.root+"/releases/v1/public/slow.php", "<?php echo getmypid(), \"\\n\"; flush(); while (!file_exists('"+until+"')) { usleep(2000); clearstatcache(); } echo 'slow';")
	a := s.ask()
	workers := s.beside(a).Workers
	if len(workers) != 2 || len(s.children()) != 3 {
		t.Errorf("%v of %v", workers, s.children())
	}
	busy, rest := s.begin("slow.php")
	s.must(syscall.Kill(a.ParentPID, syscall.SIGUSR1))
	fresh := s.awaitOther(workers)
	workers = s.beside(fresh).Workers
	if slices.Contains(workers, busy) || !slices.Contains(s.children(), busy) || !slices.Contains(workers, fresh.PID) {
		t.Errorf("%v of %v, %d is busy", workers, s.children(), busy)
	}
	writeFile(t, until, "")
	if body := rest(); body != "slow" {
		t.Errorf("the request in flight got %q", body)
	}
}

// begin starts a request for a script that first prints its pid, and gives what reads the rest.
func (s *site) begin(script string) (pid int, rest func() string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(bounded(s.t), http.MethodGet, s.url+script, nil)
	s.must(err)
	response, err := http.DefaultClient.Do(request)
	s.must(err)
	s.t.Cleanup(func() { response.Body.Close() })
	_, err = fmt.Fscan(response.Body, &pid)
	s.must(err)
	return pid, func() string {
		body, err := io.ReadAll(response.Body)
		s.must(err)
		return string(body)
	}
}

// awaitOther asks until a process answers that is none of these.
func (s *site) awaitOther(than []int) probe.Answer {
	s.t.Helper()
	ctx := bounded(s.t)
	for {
		answer, err := s.door().Ask(ctx)
		if err == nil && !slices.Contains(than, answer.PID) {
			return answer
		}
		if ctx.Err() != nil {
			s.t.Fatal(err)
		}
	}
}

// A process that a graceful restart has replaced answers once more on a connection
// that is kept alive, from the cache of before the restart, and is told of until
// it has ended.
func TestWebLeavers(t *testing.T) {
	s := newSite(t, startPrefork, web{workers: 2, rules: "LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so\n"})
	writeFile(t, s.root+"/releases/v1/public/pid.php", "<?php echo getmypid();")
	a := s.ask()
	client := http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	pid := func() (pid int) {
		response, err := client.Get(s.url + "pid.php")
		s.must(err)
		defer response.Body.Close()
		_, err = fmt.Fscan(response.Body, &pid)
		s.must(err)
		_, err = io.Copy(io.Discard, response.Body)
		s.must(err)
		return pid
	}
	kept := pid()
	before := s.beside(a)
	if len(before.Finishing) != 0 {
		t.Errorf("%+v", before)
	}
	s.must(syscall.Kill(a.ParentPID, syscall.SIGUSR1))
	fresh := s.awaitOther(before.Workers)
	if now := s.beside(fresh); !slices.Equal(now.Finishing, []int{kept}) {
		t.Errorf("%+v, want %d to finish", now, kept)
	}
	if again := pid(); again != kept {
		t.Errorf("%d answered on the connection, not %d", again, kept)
	}
	for ctx := bounded(t); len(s.beside(fresh).Finishing) > 0; { // KeepAliveTimeout
		s.must(ctx.Err())
	}
}

// beside are the processes of the Apache by which somebody has answered.
func (s *site) beside(a probe.Answer) apache.Processes {
	s.t.Helper()
	all, err := apache.ProcessesBeside(bounded(s.t), a.PID, a.ParentPID)
	s.must(err)
	return all
}

func TestNoWebWorkers(t *testing.T) {
	s := newSite(t, startEvent, web{})
	a := s.ask()
	for name, pids := range map[string][2]int{
		"FPM":            {a.PID, a.ParentPID},
		"another parent": {a.PID, os.Getpid()},
		"this process":   {os.Getpid(), 0},
	} {
		if got, err := apache.ProcessesBeside(bounded(t), pids[0], pids[1]); !errors.Is(err, apache.ErrNotChild) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := apache.ProcessesBeside(bounded(t), 1<<30, 0); err == nil {
		t.Error("a process that there is not has siblings")
	}
}

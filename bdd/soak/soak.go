package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urbancompute/ucp/bdd/history"
	"github.com/urbancompute/ucp/client"
)

// Settings say what to soak.
type Settings struct {
	For      time.Duration // how long there are faults and submissions
	Seed     uint64
	Limits   Limits
	Progress io.Writer // gets a line for each stage
}

// soak is one soak as it goes.
type soak struct {
	Settings
	dir       string
	net       *network
	logs      *logs
	diary     *diary
	load      *load
	observers observers
	wares     wares
	report    *Report
}

// Run soaks a network. The error says why it could not be done, or not be looked at; what was found is in the report. The directory of a
// soak that was not clean, or could not be done, is kept.
func Run(ctx context.Context, s Settings) (r *Report, err error) {
	dir, err := os.MkdirTemp("", "ucp-soak-")
	if err != nil {
		return nil, err
	}
	r = &Report{Settings: s, Kept: dir}
	k := &soak{Settings: s, dir: dir, load: newLoad(), report: r}
	if err := k.run(ctx); err != nil {
		return nil, fmt.Errorf("%w (what there is, is in %s)", err, dir)
	}
	if r.Clean() {
		r.Kept = ""
		err = os.RemoveAll(dir)
	}
	return r, err
}

func (k *soak) run(ctx context.Context) (err error) {
	k.tell("building in %s", k.dir)
	p, err := build(ctx, k.dir)
	if err != nil {
		return err
	}
	faults, err := os.Create(filepath.Join(k.dir, "faults.log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.diary.err, faults.Close()) }()
	k.diary = &diary{out: faults, began: time.Now()}
	if k.logs, err = newLogs(filepath.Join(k.dir, "logs")); err != nil {
		return err
	}
	if k.net, err = newNetwork(k.dir, p.ucp); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.end()) }()
	if err := k.net.start(ctx); err != nil {
		return err
	}
	return k.stages(ctx, p)
}

// stages are the soak, once the network runs.
func (k *soak) stages(ctx context.Context, p programs) (err error) {
	k.observers, err = newObservers(ctx, k.net)
	defer func() { err = errors.Join(err, k.observers.close()) }() //nolint:contextcheck // closing has a bound of its own
	if err != nil {
		return err
	}
	if err := k.warm(ctx, p); err != nil {
		return err
	}
	if err := k.harm(ctx); err != nil {
		return err
	}
	return k.usage(ctx)
}

func (k *soak) tell(format string, args ...any) {
	if k.Progress != nil {
		_, _ = fmt.Fprintf(k.Progress, "soak: "+format+"\n", args...)
	}
}

func (k *soak) isWrong(what ...string) { k.report.Wrong = append(k.report.Wrong, what...) }

// warmTime bounds the warm-up.
const warmTime = 2 * time.Minute

// warm brings the network to where it is compared with the end.
func (k *soak) warm(ctx context.Context, p programs) (err error) {
	k.tell("warming up")
	patient, enough := context.WithTimeout(ctx, warmTime)
	defer enough()
	if k.wares, err = k.observers.bring(patient, p); err != nil {
		return err
	}
	e := &errands{wares: k.wares, who: people, Rand: rand.New(rand.NewPCG(k.Seed, 0)), retention: k.retention()}
	if err := k.observers.warm(patient, e, k.load); err != nil {
		return err
	}
	var moved []string
	k.report.Begin, moved, err = k.net.readAtRest(ctx, calm())
	if err == nil && len(moved) > 0 {
		err = fmt.Errorf("the network does not come to rest without load: %q", moved)
	}
	return err
}

// retention keeps every job until the end.
func (k *soak) retention() time.Duration { return time.Hour + 2*k.For }

// harm is the time of faults and submissions, and what comes right after it.
func (k *soak) harm(ctx context.Context) error {
	plan := Draw(k.Seed, k.For, k.net.cast())
	k.tell("%d faults in %s, drawn from seed %d", len(plan.Faults), k.For, k.Seed)
	k.diary.began = time.Now()
	acting, enough := context.WithTimeout(ctx, k.For)
	defer enough()
	following, unfollow := context.WithCancel(ctx)
	defer unfollow()
	clients, acted, err := k.load.begin(acting, following, k)
	if err == nil {
		h := &harm{net: k.net, logs: k.logs, diary: k.diary, length: k.For}
		h.run(ctx, plan)
		k.isWrong(h.wrong...)
		k.report.Faults, k.report.Spared = h.befallen, plan.Spared
	}
	acted()
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		k.diary.note("the faults are over")
		err = k.check(ctx)
	}
	unfollow()
	k.load.followers.Wait()
	k.untold()
	return errors.Join(err, closeAll(clients)) //nolint:contextcheck // closing has a bound of its own
}

func closeAll(clients []*client.Client) (err error) {
	for _, c := range clients {
		err = errors.Join(err, c.Close())
	}
	return err
}

// check looks at what the network has come to.
func (k *soak) check(ctx context.Context) error {
	k.tell("waiting until everything is final, for %s at most", Settling)
	for _, n := range k.net.all() {
		if !n.Running() {
			k.isWrong(n.Name + " does not run at the end")
		}
	}
	r, l := k.observers.settle(ctx, k.load), k.report
	k.isWrong(r.wrong...)
	k.isWrong(unlawful(r.said, k.load.named)...)
	l.Submitted, l.Taken, l.Cancelled = k.load.submitted, len(k.load.acknowledged), len(r.quarantined)
	l.AtRest, l.Rested = len(r.wrong) == 0, r.took
	if len(r.said) == 0 {
		return errors.New("no broker says anything at the end")
	}
	k.isWrong(unmerited(r.said[0].jobs, k.load.cancelledOr(r.quarantined))...)
	l.Ends, l.Lost = endsOf(r.said[0].jobs), lost(r.said, k.load.acknowledged)
	var wrong []string
	l.Fetched, wrong = k.observers.fetch(ctx, r.said[0])
	k.isWrong(wrong...)
	return k.remember(ctx)
}

// cancelledOr are the jobs that may be cancelled: by those who submitted them, or by an operator.
func (l *load) cancelledOr(more map[string]bool) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(l.cancelled)
	maps.Copy(all, more)
	return all
}

// remember checks what clients were told.
func (k *soak) remember(ctx context.Context) error {
	k.awaitFollowers(ctx)
	if err := k.load.recollect(ctx, k.observers); err != nil {
		return err
	}
	ops := k.load.told.Ops()
	k.report.Operations = len(ops)
	k.tell("checking %d operations", len(ops))
	if err := history.Check(ops); err != nil {
		k.isWrong(err.Error() + " (S3)")
	}
	return nil
}

// toldTime is how long clients may take, once all is final, to be told the ends of their jobs.
const toldTime = 15 * time.Second

func (k *soak) awaitFollowers(ctx context.Context) {
	all := make(chan struct{})
	go func() {
		k.load.followers.Wait()
		close(all)
	}()
	patient, enough := context.WithTimeout(ctx, toldTime)
	defer enough()
	select {
	case <-all:
	case <-patient.Done():
	}
}

// untold are the jobs whose client was told of no end.
func (k *soak) untold() {
	for id, err := range k.load.untold {
		k.isWrong(fmt.Sprintf("the client of %s was told of no end: %v", id, err))
	}
}

// usage looks at what processes use once nobody wants anything of them.
func (k *soak) usage(ctx context.Context) error {
	k.tell("looking at what processes use at rest")
	end, wrong, err := k.net.readAtRest(ctx, func(now map[string]Reading) (wrong []string) {
		for _, n := range k.net.all() {
			jobs := 0
			if k.net.isBroker(n.Name) {
				jobs = k.report.Ends.jobs
			}
			wrong = append(wrong, k.Limits.judge(n.Name, k.report.Begin[n.Name], now[n.Name], jobs)...)
		}
		return wrong
	})
	k.report.End = end
	k.isWrong(wrong...)
	return err
}

// end keeps what the last processes said, and kills them.
func (k *soak) end() (err error) {
	for _, n := range k.net.all() {
		err = errors.Join(err, k.logs.take(n))
	}
	k.net.lab.Close()
	k.isWrong(k.logs.wrong...)
	k.report.Redeployed, k.report.Restarted = k.logs.redeployed, k.logs.lives
	slices.Sort(k.report.Wrong)
	k.report.Wrong = slices.Compact(k.report.Wrong)
	return err
}

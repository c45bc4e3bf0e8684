package scale

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// chart is a plot of curves over two axes, each linear or logarithmic.
type chart struct {
	title, x, y string
	logX, logY  bool
	from, to    float64 // of the y axis; both 0: as the curves need it
	curves      []curve
	marks       []mark
}

type curve struct {
	name   string
	points []Mark
}

// mark is a line across the chart at a moment worth to be named.
type mark struct {
	at   float64
	name string
}

// The size of a chart, and of the margins around its axes.
const (
	width, height = 760.0, 380.0
	left, right   = 70.0, 150.0
	top, bottom   = 36.0, 48.0
)

// colours are told apart also by those who see fewer (Okabe and Ito).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"}

// axis maps values to pixels.
type axis struct {
	from, to float64 // values
	at, by   float64 // pixels
	log      bool
}

func (a axis) place(v float64) float64 {
	if a.log {
		return a.at + a.by*(math.Log10(max(v, a.from))-math.Log10(a.from))/(math.Log10(a.to)-math.Log10(a.from))
	}
	return a.at + a.by*(v-a.from)/(a.to-a.from)
}

// ticks returns the values to be named on an axis: powers of ten, or some five round ones.
func (a axis) ticks() (all []float64) {
	if a.log {
		for e := math.Floor(math.Log10(a.from)); e <= math.Log10(a.to)+1e-9; e++ {
			if v := math.Pow(10, e); v >= a.from*(1-1e-9) {
				all = append(all, v)
			}
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((a.to-a.from)/4)))
	for _, times := range []float64{1, 2, 5, 10} {
		if (a.to-a.from)/(step*times) <= 7 {
			step *= times
			break
		}
	}
	for i := math.Ceil(a.from/step - 1e-9); i*step <= a.to+step*1e-9; i++ {
		all = append(all, i*step)
	}
	return all
}

func (c *chart) axes() (x, y axis) {
	var xs, ys []float64
	for _, k := range c.curves {
		for _, p := range k.points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	x = axis{slices.Min(xs), slices.Max(xs), left, width - left - right, c.logX}
	y = axis{slices.Min(ys), slices.Max(ys), height - bottom, top + bottom - height, c.logY}
	if c.logX {
		x = x.decades()
	}
	switch {
	case c.logY:
		y = y.decades()
	case c.to > 0:
		y.from, y.to = c.from, c.to
	default:
		y.from, y.to = 0, 1.05*y.to
	}
	return x, y
}

// decades widens a logarithmic axis to powers of ten.
func (a axis) decades() axis {
	a.from, a.to = math.Pow(10, math.Floor(math.Log10(a.from))), math.Pow(10, math.Ceil(math.Log10(a.to)))
	return a
}

// SVG returns the chart as an image.
func (c *chart) SVG() string {
	var b strings.Builder
	x, y := c.axes()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" fill="white"/>`+"\n", width, height)
	text(&b, left, 20, "start", "bold", c.title)
	text(&b, (left+width-right)/2, height-10, "middle", "normal", c.x)
	fmt.Fprintf(&b, `<text transform="translate(16 %.1f) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, html.EscapeString(c.y))
	for _, v := range x.ticks() {
		line(&b, x.place(v), top, x.place(v), height-bottom, "#dddddd")
		text(&b, x.place(v), height-bottom+16, "middle", "normal", number(v))
	}
	for _, v := range y.ticks() {
		line(&b, left, y.place(v), width-right, y.place(v), "#dddddd")
		text(&b, left-6, y.place(v)+4, "end", "normal", number(v))
	}
	for _, m := range c.marks {
		line(&b, x.place(m.at), top, x.place(m.at), height-bottom, "#888888")
		text(&b, x.place(m.at)+4, top+12, "start", "normal", m.name)
	}
	for i, k := range c.curves {
		k.draw(&b, x, y, colours[i%len(colours)])
		text(&b, width-right+34, top+14+18*float64(i), "start", "normal", k.name)
		fmt.Fprintf(&b, `<path d="M%.1f %.1fh20" stroke="%s" stroke-width="2"/>`+"\n", width-right+10, top+10+18*float64(i), colours[i%len(colours)])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (k *curve) draw(b *strings.Builder, x, y axis, colour string) {
	path := make([]string, 0, len(k.points))
	for _, p := range k.points {
		path = append(path, fmt.Sprintf("%.1f %.1f", x.place(p.X), y.place(p.Y)))
	}
	fmt.Fprintf(b, `<path d="M%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.Join(slices.Compact(path), "L"), colour)
}

func line(b *strings.Builder, x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(b, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

func text(b *strings.Builder, x, y float64, anchor, weight, words string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-weight="%s">%s</text>`+"\n", x, y, anchor, weight, html.EscapeString(words))
}

func number(v float64) string {
	if math.Abs(v) >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v+0) // not -0
}

// Charts returns the plots of a run and of what placements cost, by file name.
func (r *Report) Charts(costs []Cost) map[string]string {
	charts := map[string]*chart{
		"time-to-place": r.chartOfPlaces(), "slots": r.chartOfSlots(), "fairness": r.chartOfFairness(), "cost": chartOfCosts(costs),
	}
	if r.Fire != nil {
		charts["fire"] = r.chartOfFire()
	}
	svg := map[string]string{}
	for name, c := range charts {
		svg[name+".svg"] = c.SVG()
	}
	return svg
}

func (r *Report) chartOfPlaces() *chart {
	c := &chart{title: "Time to place: share of the jobs placed within", x: "seconds since the job came in", y: "share", logX: true, to: 1}
	for _, kind := range kinds {
		k := curve{name: kind}
		for _, m := range r.Place[kind].Curve {
			k.points = append(k.points, Mark{max(m.X, 0.0001), m.Y})
		}
		if len(k.points) > 0 {
			c.curves = append(c.curves, k)
		}
	}
	return c
}

func (r *Report) chartOfSlots() *chart {
	c := &chart{title: "Slots in use", x: "seconds", y: "slots", marks: r.moments()}
	others, emergency := curve{name: "other jobs"}, curve{name: "emergency jobs"}
	for _, s := range r.Samples {
		others.points = append(others.points, Mark{s.At, float64(s.Others)})
		emergency.points = append(emergency.points, Mark{s.At, float64(s.Emergency)})
	}
	c.curves = []curve{others, emergency}
	return c
}

func (r *Report) chartOfFairness() *chart {
	c := &chart{title: "Each second: fairness, and slots in use of those that there was work for", x: "seconds", y: "share", to: 1.02, marks: r.moments()}
	jain, used := curve{name: "Jain's index"}, curve{name: "utilisation"}
	for _, s := range r.Samples {
		used.points = append(used.points, Mark{s.At, s.Used})
		if s.Jain > 0 {
			jain.points = append(jain.points, Mark{s.At, s.Jain})
		}
	}
	c.curves = []curve{jain, used}
	return c
}

func (r *Report) moments() []mark {
	if r.Fire == nil {
		return nil
	}
	return []mark{{r.Fire.Declared, "fire"}, {r.Fire.Cleared, "out"}}
}

func (r *Report) chartOfFire() *chart {
	milliseconds := func(s Spread) (points []Mark) {
		for _, m := range s.Curve {
			points = append(points, Mark{1000 * m.X, m.Y})
		}
		return points
	}
	return &chart{
		title: "A critical fire: share of the executors that have made room, and of its jobs that have started", x: "milliseconds since the declaration, or the job's submission",
		y: "share", to: 1, curves: []curve{{"executors", milliseconds(r.Fire.Acted)}, {"its jobs", milliseconds(r.Fire.Starts)}},
	}
}

func chartOfCosts(costs []Cost) *chart {
	c := &chart{title: "What a placement costs a broker", x: "executors of the broker", y: "microseconds", logX: true, logY: true}
	for _, cost := range costs {
		i := slices.IndexFunc(c.curves, func(k curve) bool { return k.name == cost.Free })
		if i < 0 {
			i = len(c.curves)
			c.curves = append(c.curves, curve{name: cost.Free})
		}
		c.curves[i].points = append(c.curves[i].points, Mark{float64(cost.Executors), cost.Microseconds})
	}
	for _, k := range c.curves {
		slices.SortFunc(k.points, func(a, b Mark) int { return cmp.Compare(a.X, b.X) })
	}
	return c
}

package scale_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/scale"
)

var _ = Describe("The plots", func() {
	It("are images that say what they show, with a curve for everything measured", func() {
		s := scale.Small()
		s.Executors, s.Work = 100, s.Work[:2]
		for name, svg := range scale.Run(s).Charts([]scale.Cost{{100, "all", 4}, {10_000, "all", 300}, {100, "one", 1.5}, {10_000, "one", 1.5}}) {
			d := xml.NewDecoder(strings.NewReader(svg))
			texts := 0
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				Expect(err).NotTo(HaveOccurred(), name)
				if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
					texts++
				}
			}
			Expect(texts).To(BeNumerically(">", 8), name)
			Expect(strings.Count(svg, `fill="none"`)).To(BeNumerically(">=", 2), name)
			Expect(svg).NotTo(ContainSubstring("NaN"), name)
			Expect(svg).NotTo(ContainSubstring("Inf"), name)
		}
	})
})

package config_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("Sizes", func() {
	DescribeTable("are read as people write them", func(text string, bytes int64) {
		size, err := config.ParseSize(text)
		Expect(err).NotTo(HaveOccurred())
		Expect(int64(size)).To(Equal(bytes))
	},
		Entry("binary units", "256MiB", int64(256<<20)),
		Entry("in any case", "4gib", int64(4<<30)),
		Entry("decimal units", "1GB", int64(1_000_000_000)),
		Entry("with a space", "10 kB", int64(10_000)),
		Entry("a fraction that is whole bytes", "1.5KiB", int64(1536)),
		Entry("bytes", "12B", int64(12)),
		Entry("a plain number of bytes", "4096", int64(4096)),
		Entry("nothing at all", "0", int64(0)),
	)

	DescribeTable("that are none are refused", func(text, reason string) {
		_, err := config.ParseSize(text)
		Expect(err).To(MatchError(reason))
	},
		Entry("a unit of two meanings, with the likely one", "64M", `must be a size such as 64MiB, not "64M"`),
		Entry("an unknown unit", "3 parsecs", `must be a size in B, KiB, MiB, GiB, kB, MB or GB such as 256MiB, not "3 parsecs"`),
		Entry("no number", "MiB", `must be a size such as 256MiB, not "MiB"`),
		Entry("not a number", "NaN", `must be a size in B, KiB, MiB, GiB, kB, MB or GB such as 256MiB, not "NaN"`),
		Entry("a negative size", "-1MiB", `must not be negative, not "-1MiB"`),
		Entry("a part of a byte", "0.5B", `must be a whole number of bytes, not "0.5B"`),
		Entry("more than fits", "9999999TiB", `must be less than 8 EiB, not "9999999TiB"`),
	)

	It("print in a form that reads back as the same number", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			size := config.Size(rapid.Int64Min(0).Draw(t, "size"))
			back, err := config.ParseSize(size.String())
			if err != nil || back != size {
				t.Fatalf("%d prints as %s and reads as %d, %v", int64(size), size, int64(back), err)
			}
		})
		Expect((256 * config.MiB).String()).To(Equal("256MiB"))
		Expect(config.Size(1e9).String()).To(Equal("1GB"))
		Expect(config.Size(0).String()).To(Equal("0B"))
	})
})

var _ = Describe("Durations", func() {
	DescribeTable("are read as people write them", func(text string, want time.Duration) {
		Expect(config.ParseDuration(text)).To(Equal(want))
	},
		Entry("milliseconds", "300ms", 300*time.Millisecond),
		Entry("mixed units", "1h30m", 90*time.Minute),
		Entry("days", "7d", 7*24*time.Hour),
		Entry("days and hours", "1d12h", 36*time.Hour),
	)

	DescribeTable("that are none are refused", func(text, reason string) {
		_, err := config.ParseDuration(text)
		Expect(err).To(MatchError(reason))
	},
		Entry("a number without a unit, with the likely ones", "10", "needs a unit, as in 10s or 10ms"),
		Entry("a word", "soon", `must be a duration such as 300ms, 10s or 1h30m, not "soon"`),
		Entry("a word with a d", "d", `must be a duration such as 300ms, 10s or 1h30m, not "d"`),
		Entry("a negative one", "-3s", `must not be negative, not "-3s"`),
		Entry("days that overflow", "99999999d", `must be a duration such as 300ms, 10s or 1h30m, not "99999999d"`),
	)

	It("print without zero units, in a form that reads back", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			d := time.Duration(rapid.Int64Min(0).Draw(t, "duration"))
			back, err := config.ParseDuration(config.FormatDuration(d))
			if err != nil || back != d {
				t.Fatalf("%d prints as %s and reads as %d, %v", d, config.FormatDuration(d), back, err)
			}
		})
		Expect(config.FormatDuration(time.Minute)).To(Equal("1m"))
		Expect(config.FormatDuration(24 * time.Hour)).To(Equal("24h"))
		Expect(config.FormatDuration(10 * time.Second)).To(Equal("10s"))
	})
})

var _ = Describe("Addresses", func() {
	DescribeTable("get one form", func(text, want string) {
		Expect(config.ParseAddress(text, config.DefaultPort)).To(Equal(want))
	},
		Entry("host and port", "10.0.0.5:7000", "10.0.0.5:7000"),
		Entry("the default port", "lab.local", "lab.local:7420"),
		Entry("bare IPv6", "::1", "[::1]:7420"),
		Entry("IPv6 in brackets", "[fe80::1%eth0]", "[fe80::1%eth0]:7420"),
		Entry("IPv6 with a port", "[::1]:7000", "[::1]:7000"),
	)

	DescribeTable("that are none are refused", func(text, reason string) {
		_, err := config.ParseAddress(text, config.DefaultPort)
		Expect(err).To(MatchError(reason))
	},
		Entry("no host", ":7420", `must be host:port, not ":7420"`),
		Entry("nothing", "", `must be host:port, not ""`),
		Entry("a port that is none", "lab:http", `must have a port from 1 to 65535, not "lab:http"`),
		Entry("port 0", "lab:0", `must have a port from 1 to 65535, not "lab:0"`),
		Entry("too great a port", "lab:70000", `must have a port from 1 to 65535, not "lab:70000"`),
		Entry("an empty port", "lab:", `must have a port from 1 to 65535, not "lab:"`),
		Entry("a URL", "https://lab", `must be host:port, not the URL "https://lab"`),
		Entry("two ports", "lab:1:2", `must be host:port, not "lab:1:2"`),
	)
})

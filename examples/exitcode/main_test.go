package main

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("Exitcode", func(code int, sensible bool, args ...string) {
	got, ok := exitCode(args)
	Expect(got).To(Equal(code))
	Expect(ok).To(Equal(sensible))
},
	Entry("ends well without an argument", 0, true),
	Entry("ends with its argument", 3, true, "3"),
	Entry("ends with the greatest code", 255, true, "255"),
	Entry("refuses a greater one", 2, false, "256"),
	Entry("refuses a negative one", 2, false, "-1"),
	Entry("refuses what is no number", 2, false, "three"),
	Entry("refuses two numbers", 2, false, "1", "2"),
)

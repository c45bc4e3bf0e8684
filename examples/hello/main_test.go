package main

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("Hello", func(args []string, said string) {
	Expect(greeting(args)).To(Equal(said))
},
	Entry("greets the world", []string{"hello.wasm"}, "Hello, world!\n"),
	Entry("greets the world when it has not even a name itself", []string{}, "Hello, world!\n"),
	Entry("greets whom it is told to", []string{"hello.wasm", "Ada"}, "Hello, Ada!\n"),
	Entry("greets several", []string{"hello.wasm", "Ada", "Grace"}, "Hello, Ada, Grace!\n"),
)

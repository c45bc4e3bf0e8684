// Package bdd tells the behaviour of the whole as specs, one file a requirement area. Most run in virtual time: real actors, real links over
// a network in memory, and a workbench whose programs take as long as the spec says. Those labelled real run the built binary as processes
// of their own.
package bdd

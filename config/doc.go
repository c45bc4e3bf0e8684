// Package config turns files, environment variables and flags into plain values. It is the one place that knows viper;
// every other package is handed a [Node], a [Cluster] or a [Network] and never asks where a value came from.
//
// # The model
//
// A node has some thirty settings. Each has a key ("sync.interval"), a kind that says what it looks like, a default, a
// sentence of documentation, an environment variable (UCP_SYNC_INTERVAL) and a flag (--sync-interval). One table holds
// them all, and the same table reads YAML, TOML, the environment and flags, explains where each value came from, and
// writes a node back to a file. Precedence, weakest first:
//
//	default < file < UCP_* environment < flag
//
// A cluster file holds defaults and a list of nodes in the same words, so its nodes are resolved by the same table.
//
// # What is promised
//
//   - Unknown keys and unknown UCP_* variables are errors that name the nearest known one, never ignored.
//   - Everything wrong in a file is told at once, each with file and line, as a [*InvalidError].
//   - Whatever [WriteNode] writes, [LoadNode] reads back as the same value.
//   - Files are replaced whole or not at all, readable by their owner only; concurrent changes to contexts.yaml by
//     several processes are serialised and none is lost.
//   - Reading is bounded: a file over 1 MiB, nested over 32 levels or over 100,000 values (aliases counted each time) is refused.
package config

package wasm

// RaceEnabled says that the race detector is on, under which a process cannot be bounded.
const RaceEnabled = raceEnabled

// Package detect decides when silence means loss. [Accrual] is the phi-accrual failure detector of Hayashibara, Défago, Yared and Katayama
// (SRDS 2004): it learns how regularly somebody is heard, and says how unlikely a silence is. [Strain] is what Lifeguard (Dadgar, Phillips and
// Currey, 2018) calls local health awareness: who is held up himself hears late, and must not blame others for it.
//
// It is a pure function of what it is told: no clock, no timers.
package detect

package config

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags adds a flag to set for each of the given settings, or for all when none is given: sync.interval becomes
// --sync-interval. A wrong value is refused while flags are parsed. A key that is no setting panics.
func AddFlags(set *pflag.FlagSet, keys ...string) {
	if len(keys) == 0 {
		keys = keysOf(settings)
	}
	defaults := leaves(Defaults())
	for _, key := range keys {
		s, known := settingOf(key)
		if !known {
			panic(fmt.Sprintf("config: no setting %q", key))
		}
		flag := set.VarPF(&flagValue{setting: s, text: show(defaults[key])}, s.flag(), "", s.doc)
		if s.word == "" {
			flag.NoOptDefVal = "true"
		}
	}
}

// FlagOverrides returns what the user said with the flags that [AddFlags] added to set.
func FlagOverrides(set *pflag.FlagSet) Overrides {
	given := make(Overrides)
	set.Visit(func(flag *pflag.Flag) {
		if v, ours := flag.Value.(*flagValue); ours {
			given[v.key] = v.text
		}
	})
	return given
}

// flagValue is the value of one flag, checked when it is set. Lists may be given piece by piece.
type flagValue struct {
	setting
	text string
	set  bool
}

func (v *flagValue) Set(text string) error {
	if v.set && strings.HasSuffix(v.word, ",…") {
		text = v.text + "," + text
	}
	if _, err := v.parse(text); err != nil {
		return err
	}
	v.text, v.set = text, true
	return nil
}

func (v *flagValue) String() string { return v.text }

// Type returns the word that stands for the value in the help; pflag wants "bool" for a flag without one.
func (v *flagValue) Type() string {
	if v.word == "" {
		return "bool"
	}
	return v.word
}

package text

import "strings"

// The vocabulary. What comes first in a list is used most.
var (
	articles     = strings.Fields("the the a the this her his every that no their some our another")
	conjunctions = strings.Fields("and but while because before when although until so where")
	prepositions = strings.Fields("of in on with from under over behind near through across above along beyond against")
	adverbs      = strings.Fields("then now slowly once again later quietly sometimes nevertheless tomorrow " +
		"elsewhere suddenly gladly seldom")
	verbs = strings.Fields("saw found kept carried took left held heard watched crossed remembered followed lit mended " +
		"opened closed counted painted lost measured warmed sheltered answered repaired guarded divided gathered " +
		"described borrowed forgave outlived surrounded promised shook weighed")
	adjectives = strings.Fields("old small long quiet dark new cold bright narrow empty distant heavy warm patient broken " +
		"wooden silver green hidden tired gentle northern wet careful sudden hollow copper restless ordinary crooked")
	nouns = strings.Fields("house river street night door harbour hand bridge light window city boat road winter field " +
		"captain letter stone garden machine tower clock lamp neighbour rain engineer signal ladder doctor station " +
		"market island teacher engine roof train storm blanket baker radio antenna well ferry kettle generator library " +
		"orchard map village fire lighthouse battery compass wheel tunnel bell sailor nurse mountain cellar " +
		"postman bucket violin shelter rope valley lantern apple wire morning siren child hammer")
)

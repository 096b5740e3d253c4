package gateway

// Unlimited is the value of a limit that never refuses.
const Unlimited = -1

// Limits is what a subject may use. A negative limit means no limit.
type Limits struct {
	DayLimits

	PerMinute  int64                // requests in any 60 seconds
	Concurrent int64                // requests that run at once
	Classes    map[string]DayLimits // of some models, beside the limits of all; a class that is not named has none

	// Open lets requests pass while the quota's store is away, and has them counted afterwards. Closed, they are refused.
	Open bool
}

// DayLimits are limits of one window. A negative limit means no limit.
type DayLimits struct {
	Requests int64
	Tokens   int64
}

// NoLimits refuses nothing.
func NoLimits() Limits {
	return Limits{DayLimits: DayLimits{Unlimited, Unlimited}, PerMinute: Unlimited, Concurrent: Unlimited, Open: true}
}

// Of are the limits of a class; "" is the class of what belongs to none.
func (l Limits) Of(class string) DayLimits {
	if limits, ok := l.Classes[class]; ok {
		return limits
	}
	return DayLimits{Unlimited, Unlimited}
}

// Set reports whether there is a limit.
func (l Limits) Set() bool {
	if l.DayLimits.set() || l.PerMinute >= 0 || l.Concurrent >= 0 {
		return true
	}
	for _, class := range l.Classes {
		if class.set() {
			return true
		}
	}
	return false
}

func (d DayLimits) set() bool { return d.Requests >= 0 || d.Tokens >= 0 }

// OfBatches are the limits that items of batches are under: how many of those run, and when, is the pace's business.
func (l Limits) OfBatches() Limits {
	l.PerMinute, l.Concurrent = Unlimited, Unlimited
	return l
}

// Refusal says which limit a request ran into.
type Refusal string

// What a request can run into.
const (
	Admitted        Refusal = ""
	NoRequests      Refusal = "requests"
	NoTokens        Refusal = "tokens"
	NoClassRequests Refusal = "class requests"
	NoClassTokens   Refusal = "class tokens"
	NoMinute        Refusal = "minute"
	NoPlace         Refusal = "place"
)

// Admit is the quota rule: a charge fits when it passes no limit, those of the day before those of the moment. The store
// applies the same rule atomically; this is the definition it is tested against.
func (l Limits) Admit(use Use, class string, c Charge) Refusal {
	switch day, of := l.DayLimits.admit(use.Day, c), l.Of(class).admit(use.Classes[class], c); {
	case c.Requests <= 0:
		return Admitted
	case day != Admitted:
		return day
	case of == NoRequests:
		return NoClassRequests
	case of == NoTokens:
		return NoClassTokens
	case l.PerMinute >= 0 && use.Minute >= l.PerMinute:
		return NoMinute
	case l.Concurrent >= 0 && use.Running >= l.Concurrent:
		return NoPlace
	}
	return Admitted
}

func (d DayLimits) admit(used Used, c Charge) Refusal {
	switch {
	case d.Requests >= 0 && used.Requests+c.Requests > d.Requests:
		return NoRequests
	case d.Tokens >= 0 && used.Tokens+c.Tokens > d.Tokens:
		return NoTokens
	}
	return Admitted
}

// Class is a set of models that are counted together, such as the dear ones.
type Class struct {
	Name  string
	Match []string // as in a Rule
}

// Classes are the classes there are. A model belongs to the first that it matches.
type Classes []Class

// Of is the name of a model's class; "" if it belongs to none.
func (cs Classes) Of(m Model) string {
	for _, c := range cs {
		for _, match := range c.Match {
			if (Rule{Match: match}).Matches(m) {
				return c.Name
			}
		}
	}
	return ""
}

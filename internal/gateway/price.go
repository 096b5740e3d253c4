package gateway

import "math"

// Cost is money, in billionths of the price list's currency.
type Cost int64

// Units is the cost in the currency's own unit.
func (c Cost) Units() float64 { return float64(c) / 1e9 }

// Price is what a model costs, in units of the price list's currency per million tokens.
type Price struct {
	Match                                string // as in a Rule
	Input, Output, CacheRead, CacheWrite float64
}

// Prices is a price list. The first price that matches a model is its price.
type Prices []Price

// Cost is what the usage of a model costs. A model that no price matches costs what the dearest of the list does: a
// price that is missing must be noticed, and nothing is ever taken to be free by mistake.
func (p Prices) Cost(m Model, u Usage) Cost {
	price := p.of(m)
	perMillion := price.Input*float64(u.Input) + price.Output*float64(u.Output) +
		price.CacheRead*float64(u.CacheRead) + price.CacheWrite*float64(u.CacheWrite)
	return Cost(math.Round(perMillion * 1000))
}

func (p Prices) of(m Model) Price {
	var dearest Price
	for _, price := range p {
		if (Rule{Match: price.Match}).Matches(m) {
			return price
		}
		dearest = Price{
			Input: max(dearest.Input, price.Input), Output: max(dearest.Output, price.Output),
			CacheRead: max(dearest.CacheRead, price.CacheRead), CacheWrite: max(dearest.CacheWrite, price.CacheWrite),
		}
	}
	return dearest
}

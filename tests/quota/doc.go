// Package quota holds the promise on quotas against real Postgres and real Redis: of any number of requests at once exactly
// as many are sent as the limits allow, and in the end Redis is what the ledger says, whatever was lost on the way.
package quota

// Package seal proves that the ledger is what it was. It is pure: what is sealed is handed to it, and so is what is verified.
//
// A row of the ledger is a JSON array of texts, named [Columns], whose first says which form it has. Its digest is the
// SHA-256 of these bytes. A [Seal] lists rows by id and digest (its entries), in the order of the ids: its root is the root
// of a Merkle tree over them, as in RFC 6962 (leaf H(0x00 ‖ id ‖ digest), node H(0x01 ‖ left ‖ right)). Its hash is the
// SHA-256 over the netstrings of
//
//	"seal/1", n, sealed at (microseconds since 1970), rows, first id, last id, root, notes, hash of the seal before
//
// so each seal stands for all before it, and whoever knows the hash of one can tell whether anything up to it was changed.
// Hashes and ids are written in hex. A signature is Ed25519, over the 32 bytes of the hash.
//
// An export is a file of JSON lines, in this order:
//
//	{"export":{…}}                      what it is, and of which time
//	{"seal":{…}}                        every seal from the first that lists a row of that time, without its entries
//	{"note":{…}}                        a measure that is in no seal yet
//	{"entries":"base64","seal":n}       the entries of a seal, before the first row that it lists
//	{"row":[…],"digest":"hex"}          a row with the digest that stands beside it, in the order of the ids
//	{"pending":[…],"digest":"hex"}      the same, of a row that waits for its seal
//	{"lost":"id"}                       a row that waits for its seal, and is not there
//	{"end":{…}}                         how many there were: a file without it was cut off
//
// [Verify] reads it once, from the beginning, and keeps of it only the seals without their entries and the entries of
// those that are open.
package seal

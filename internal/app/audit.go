package app

import (
	"cmp"
	"context"
	"fmt"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/seal"
)

// measureTimeout is how long a measure may take: a month may have hundreds of millions of rows.
const measureTimeout = 24 * time.Hour

// measure is what all measures are told.
type measure struct {
	file                      *string // the configuration
	subject, from, to         string
	everybody, dry            bool
	reason, by, table, cutoff string
	zone                      *time.Location
}

// AuditCommand is "audit …": what the operator does to the record. It takes the login of the migration.
func AuditCommand(file *string) *cobra.Command {
	m := &measure{file: file}
	command := &cobra.Command{
		Use: "audit", Short: "Hold, retire and erase what is on record; it takes the login of the migration",
		Long: "Hold, retire and erase what is on record. It takes the login of the migration, as database.url.\n\n" +
			"Each measure is noted in the next seal of the ledger, with who took it and why. docs/audit.md explains them.",
	}
	hold := &cobra.Command{
		Use: "hold", Short: "Forbid to retire and erase somebody's requests", Args: cobra.NoArgs,
		Example: "  worker audit hold --subject 7f9c… --from 2026-03-01 --reason 'case 4711'", RunE: m.run(m.hold),
	}
	m.whose(hold)
	hold.Flags().BoolVar(&m.everybody, "everybody", false, "hold everybody's requests")
	hold.MarkFlagsMutuallyExclusive("subject", "everybody")
	hold.MarkFlagsOneRequired("subject", "everybody")
	release := &cobra.Command{Use: "release NUMBER", Short: "End a hold", Args: cobra.ExactArgs(1), RunE: m.run(m.release)}
	holds := &cobra.Command{Use: "holds", Short: "List the holds in force", Args: cobra.NoArgs, RunE: m.run(m.holds)}
	erase := &cobra.Command{
		Use: "erase", Short: "Delete what somebody asked and was answered; the ledger stays", Args: cobra.NoArgs,
		Example: "  worker audit erase --subject 7f9c… --reason 'request of 2026-11-20' --dry-run", RunE: m.run(m.erase),
	}
	m.whose(erase)
	_ = erase.MarkFlagRequired("subject") // it is there
	retire := &cobra.Command{
		Use: "retire", Short: "Drop the months of a table before a date, but for what is held", Args: cobra.NoArgs,
		Example: "  worker audit retire --table bodies --before 2026-06-01 --reason 'retention of six months' --dry-run", RunE: m.run(m.retire),
	}
	retire.Flags().StringVar(&m.table, "table", "", "`bodies`, attempts or ledger")
	retire.Flags().StringVar(&m.cutoff, "before", "", "a `date`: whole months before its month are dropped")
	_, _ = retire.MarkFlagRequired("table"), retire.MarkFlagRequired("before")
	for _, c := range []*cobra.Command{erase, retire} {
		c.Flags().BoolVar(&m.dry, "dry-run", false, "tell what it would do, and change nothing")
	}
	for _, c := range []*cobra.Command{hold, release, erase, retire} {
		c.Flags().StringVar(&m.reason, "reason", "", "why; kept on record")
		c.Flags().StringVar(&m.by, "by", "", "your `name`, kept on record; that of your account on this machine without it")
		_ = c.MarkFlagRequired("reason")
	}
	command.AddCommand(hold, release, holds, erase, retire)
	return command
}

func (m *measure) whose(c *cobra.Command) {
	c.Flags().StringVar(&m.subject, "subject", "", "whose requests: the `id` at the identity provider")
	c.Flags().StringVar(&m.from, "from", "", "those admitted at this `time` or later: 2026-11-23, or 2026-11-23T08:00:00Z")
	c.Flags().StringVar(&m.to, "to", "", "those admitted before this `time`")
}

// run opens the database for a measure.
func (m *measure) run(take func(*cobra.Command, *postgres.DB, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, _, err := Load(*m.file)
		if err != nil {
			return err
		}
		if err := cfg.CheckMigrate(); err != nil {
			return fmt.Errorf("config:\n%w", err)
		}
		if m.zone, err = cfg.Zone(); err != nil {
			return err
		}
		if m.by == "" {
			if me, err := user.Current(); err == nil {
				m.by = me.Username
			}
		}
		db, err := openOwner(cmd.Context(), cfg.Database)
		if err != nil {
			return err
		}
		defer db.Close()
		return take(cmd, db, args)
	}
}

func openOwner(ctx context.Context, cfg config.Database) (*postgres.DB, error) {
	return postgres.Open(ctx, postgres.Config{URL: cfg.URL, ConnectTimeout: cfg.ConnectTimeout, Timeout: measureTimeout})
}

// note is the measure as it is put on record.
func (m *measure) note() (n seal.Note, err error) {
	n = seal.Note{By: m.by, Reason: m.reason, Subject: m.subject}
	if n.From, err = m.instant("from", m.from); err != nil {
		return n, err
	}
	n.Before, err = m.instant("to", m.to)
	return n, err
}

func (m *measure) instant(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := gateway.ParseInstant(text, m.zone)
	if err != nil {
		return nil, fmt.Errorf("--%s %q is neither a date such as 2026-11-23 nor a time such as 2026-11-23T08:00:00Z", flag, text)
	}
	return &t, nil
}

func (m *measure) hold(cmd *cobra.Command, db *postgres.DB, _ []string) error {
	n, err := m.note()
	if err != nil {
		return err
	}
	id, err := db.Hold(cmd.Context(), n)
	if err == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "hold %d is in force. worker audit release %[1]d ends it\n", id)
	}
	return err
}

func (m *measure) release(cmd *cobra.Command, db *postgres.DB, args []string) error {
	var id int64
	if _, err := fmt.Sscan(args[0], &id); err != nil {
		return fmt.Errorf("%q is not the number of a hold. worker audit holds lists them", args[0])
	}
	err := db.Release(cmd.Context(), id, m.by, m.reason)
	if err == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "hold %d is over\n", id)
	}
	return err
}

func (m *measure) holds(cmd *cobra.Command, db *postgres.DB, _ []string) error {
	list, err := db.Holds(cmd.Context())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOLD\tSINCE\tBY\tSUBJECT\tFROM\tTO\tREASON")
	for i := range list {
		n := &list[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", n.ID, m.moment(&n.At), n.By, cmp.Or(n.Subject, "everybody"), m.moment(n.From), m.moment(n.Before), n.Reason)
	}
	return w.Flush()
}

func (m *measure) moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.In(m.zone).Format("2006-01-02 15:04:05")
}

func (m *measure) erase(cmd *cobra.Command, db *postgres.DB, _ []string) error {
	n, err := m.note()
	if err != nil {
		return err
	}
	e, err := db.Erase(cmd.Context(), n, m.dry)
	if err == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %d bodies, %d items and %d results of batches, %d files\n", m.did("erased"), e.Bodies, e.Items, e.Results, e.Files)
	}
	return err
}

func (m *measure) retire(cmd *cobra.Command, db *postgres.DB, _ []string) error {
	before, err := m.instant("before", m.cutoff)
	if err != nil {
		return err
	}
	parts, err := db.Retire(cmd.Context(), m.table, *before, m.by, m.reason, m.dry)
	if err != nil {
		return err
	}
	for _, p := range parts {
		fmt.Fprintf(cmd.OutOrStdout(), "%s %d rows of %s", m.did("dropped"), p.Dropped, p.Partition)
		if p.Kept > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "; %d are held, and kept", p.Kept)
		}
		fmt.Fprintln(cmd.OutOrStdout())
	}
	if len(parts) == 0 {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "there is nothing to drop")
	}
	return err
}

func (m *measure) did(verb string) string {
	if m.dry {
		return "would have " + verb
	}
	return verb
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
)

func (s *session) auditCommand() *cobra.Command {
	audit := &cobra.Command{
		Use: "audit", Short: "Prove that the ledger is what it was", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	audit.AddCommand(s.auditExportCommand(), s.auditVerifyCommand())
	return audit
}

func (s *session) auditExportCommand() *cobra.Command {
	var output, from, to string
	export := &cobra.Command{
		Use: "export", Short: "Write the ledger with its seals to a file; for auditors", Args: cobra.NoArgs,
		Long: "Write the ledger with its seals to a file; for auditors.\n\n" +
			"It has who asked when for what, and what it took, and no prompt and no answer. llmgw audit verify checks it.",
		Example: "  llmgw audit export --output ledger.ndjson\n  llmgw audit export --output november.ndjson.zst --from 2026-11-01 --to 2026-12-01",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			for name, value := range map[string]string{"from": from, "to": to} {
				if value != "" {
					query.Set(name, value)
				}
			}
			return s.exportLedger(cmd.Context(), c, query, output)
		},
	}
	export.Flags().StringVarP(&output, "output", "o", "", "`file` to write; - is standard output, one that ends in .zst is compressed")
	export.Flags().StringVar(&from, "from", "", "of requests that were admitted at this `time` or later: 2026-11-23, or 2026-11-23T08:00:00Z")
	export.Flags().StringVar(&to, "to", "", "of requests that were admitted before this `time`")
	_ = export.MarkFlagRequired("output") // it is there
	return export
}

func (s *session) exportLedger(ctx context.Context, c *client, query url.Values, output string) error {
	path := "/api/audit/export"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	write := func(w io.Writer) error {
		res, err := c.do(ctx, call{method: http.MethodGet, path: path, header: http.Header{"Accept-Encoding": {"zstd"}}})
		if err != nil {
			return err
		}
		defer res.Body.Close()
		plain := io.Reader(res.Body)
		if res.Header.Get("Content-Encoding") == "zstd" && !strings.HasSuffix(output, ".zst") {
			unpacked, err := zstd.NewReader(res.Body)
			if err != nil {
				return err
			}
			defer unpacked.Close()
			plain = unpacked
		}
		if _, err := io.Copy(w, plain); err != nil {
			return fmt.Errorf("the export broke off: %w. Try again, or export a shorter time with --from and --to", err)
		}
		return nil
	}
	if output == "-" {
		return write(s.Out)
	}
	if err := replace(output, write); err != nil {
		return err
	}
	s.say("%s holds the ledger. llmgw audit verify %s checks it.", output, output)
	return nil
}

// unpacked reads a file that may be compressed.
func unpacked(in io.Reader) (io.Reader, func(), error) {
	const magic = "\x28\xb5\x2f\xfd"
	begin := make([]byte, len(magic))
	n, err := io.ReadFull(in, begin)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	whole := io.MultiReader(strings.NewReader(string(begin[:n])), in)
	if string(begin) != magic {
		return whole, func() {}, nil
	}
	out, err := zstd.NewReader(whole)
	if err != nil {
		return nil, nil, err
	}
	return out, out.Close, nil
}

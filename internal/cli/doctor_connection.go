package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// noConnection names the reason why nothing answered.
func (e *examination) noConnection(err error) check {
	where := "Correct the address, which is from " + e.address.source
	host := e.address.base
	if u, parseErr := url.Parse(e.address.base); parseErr == nil {
		host = u.Host
	}
	if proxy := e.proxy(); proxy != "" {
		host += " (by the proxy " + proxy + ")"
		where += ", or the proxy's"
	}
	if c, ok := e.badCertificate(err); ok {
		return c
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		if name.IsNotFound {
			return fault("wrong_url", "there is no machine "+name.Name, where)
		}
		return fault("no_dns", fmt.Sprintf("the address of %s cannot be looked up: %v", name.Name, name), "Are you connected to the network, or to the VPN?")
	}
	switch plain, _ := errors.AsType[tls.RecordHeaderError](err); {
	case plain.Msg != "" || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fault("no_tls", host+" does not speak TLS", "Give the address with http://, if that is meant")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault("wrong_url", "nothing listens at "+host, where+"; if it is right, the gateway is down")
	case errors.Is(err, context.DeadlineExceeded):
		return fault("no_answer", fmt.Sprintf("%s does not answer within %s", host, period(doctorTimeout)), "Are you connected to the network, or to the VPN? "+where)
	}
	return fault("no_connection", unreached(e.address.base, err).Error(), where)
}

// badCertificate tells what is wrong with the gateway's certificate.
func (e *examination) badCertificate(err error) (c check, ok bool) {
	const operator = "Tell the operator of the gateway"
	if wrong, ok := errors.AsType[x509.HostnameError](err); ok {
		return fault("certificate_name", fmt.Sprintf("its certificate is for %s, not for %s", strings.Join(wrong.Certificate.DNSNames, ", "), wrong.Host), "Correct the address, which is from "+e.address.source), true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fault("certificate_authority", "its certificate is signed by an authority that this machine does not trust",
			"If your organisation has an authority of its own, or a proxy that opens TLS, add its certificate to those this machine trusts, or name a file with it: SSL_CERT_FILE here, NODE_EXTRA_CA_CERTS for Claude Code"), true
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return fault("certificate_expired", fmt.Sprintf("its certificate is good from %s to %s, and here it is %s", e.moment(invalid.Cert.NotBefore), e.moment(invalid.Cert.NotAfter), e.moment(e.Now())),
				operator+", if the clock of this machine is right"), true
		}
		return fault("certificate", "its certificate is not valid: "+invalid.Error(), operator), true
	}
	return check{}, false
}

// proxy is the one that calls of the gateway go by, without its password; "" if there is none.
func (e *examination) proxy() string {
	req, err := http.NewRequest(http.MethodGet, e.address.base, http.NoBody) //nolint:noctx // it is not sent
	if err != nil {
		return ""
	}
	found, err := http.ProxyFromEnvironment(req)
	if err != nil || found == nil {
		return ""
	}
	return found.Redacted()
}

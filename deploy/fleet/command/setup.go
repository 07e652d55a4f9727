package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"

	"relink/deploy/fleet/ca"
	"relink/deploy/fleet/enroll"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
)

// made is what setting up tells.
type made struct {
	Folder    ca.Folder
	Authority bool // this host has it
	New       bool // the authority was made just now
	Fleet     string
	Host      ca.Host
	Until     string
	At        string // HOST:PORT of the authority
	Endpoints []string
	Own       string // address of this host
}

var setupText = template.Must(template.New("").Funcs(template.FuncMap{"shell": hint.Shell, "default": func() ca.Folder { return ca.Default }}).Parse(`
{{- if .New}}The authority of the fleet is new: {{.Folder.CA}}. Its key is {{.Folder.AuthorityKey}}: whoever has that may deploy. Keep a copy where it is safe.
{{end}}{{.Folder.Cert}} is the certificate of {{.Host.Name}}{{range .Host.Addresses}}, {{.}}{{end}}, until {{.Until}}. relink agent renews it.

For the configuration:

fleet:
  name: {{printf "%q" .Fleet}}
  host: {{printf "%q" .Host.Name}}
{{- if ne .Folder default}}
  dir: {{printf "%q" .Folder}}
{{- end}}
{{- if .Authority}}
  listen: {{printf "%q" .At}}
{{- else}}
  renew: {{printf "%q" .At}}
{{- end}}
  etcd:
    endpoints: [{{range $i, $e := .Endpoints}}{{if $i}}, {{end}}{{printf "%q" $e}}{{end}}]
    ca: {{printf "%q" .Folder.CA}}
    cert: {{printf "%q" .Folder.Cert}}
    key: {{printf "%q" .Folder.Key}}

etcd on this host takes, beside what it has:

--cert-file={{shell .Folder.Cert}}
--key-file={{shell .Folder.Key}}
--trusted-ca-file={{shell .Folder.CA}}
--client-cert-auth
{{- if .Own}}
--listen-client-urls=https://{{.Own}}:2379
--advertise-client-urls=https://{{.Own}}:2379
{{- end}}
{{- if .Authority}}

Once it runs, relink fleet protect has it let each host reach what is the fleet's, and nothing else.
Or run the etcd that comes with relink, which does all of that: relink-etcd init.
{{- end}}
{{- if and .Host.Member (not .Authority)}}

relink-etcd on this host becomes a member by itself: systemctl enable --now relink-etcd. Three members
may lose one; two are no safer than one. Name all in the endpoints of each host.
{{- end}}
`))

// print tells it in full: lines of it are to be pasted.
func (m made) print(to io.Writer) error {
	var text bytes.Buffer
	if err := setupText.Execute(&text, m); err != nil {
		return err
	}
	_, err := to.Write(text.Bytes())
	return err
}

func urlHost(address netip.Addr) string {
	return strings.TrimSuffix(net.JoinHostPort(address.String(), ""), ":")
}

// initialize makes the authority, and this host's certificate. What is there already stays.
func (s *setup) initialize(context.Context) error {
	name, err := s.hostName()
	if err != nil {
		return err
	}
	addresses, err := s.addresses()
	fleetName := s.String("name")
	if there, none := s.folder.Host(); none == nil && s.folder.HasAuthority() { // run again
		has := ca.HostOf(there)
		if !s.IsSet("host") {
			name = has.Name
		}
		if !s.IsSet("address") {
			addresses = has.Addresses
		}
		if authority, none := s.folder.Trusted(); none == nil && !s.IsSet("name") {
			fleetName = ca.FleetOf(authority)
		}
	}
	if err == nil && len(addresses) == 0 {
		addresses, err = ownAddresses()
	}
	if err != nil {
		return err
	}
	if len(addresses) == 0 {
		return exit.Usagef("this host has no address that others could reach: give --address")
	}
	if err := s.folder.Make(); err != nil {
		return err
	}
	m := made{
		Folder: s.folder, Authority: true, New: !s.folder.HasAuthority(), Fleet: fleetName, Host: ca.Host{Name: name, Addresses: addresses, Member: true},
		At: net.JoinHostPort(addresses[0].String(), enroll.Port), Own: urlHost(addresses[0]), Endpoints: []string{"https://" + urlHost(addresses[0]) + ":2379"},
	}
	if err := ca.CheckName(m.Fleet); err != nil {
		return exit.Usagef("--name: %w", err)
	}
	until, err := s.certify(m.Fleet, m.Host)
	if err != nil {
		return err
	}
	m.Until = until.Format(time.DateOnly)
	return m.print(s.Out)
}

// certify has the authority give this host a certificate, unless it has it.
func (s *setup) certify(fleetName string, h ca.Host) (until time.Time, err error) {
	now := time.Now()
	authority, err := s.folder.MakeAuthority(fleetName, now)
	if err != nil {
		return until, err
	}
	key, err := s.folder.MakeHostKey()
	if err != nil {
		return until, err
	}
	if there, err := s.folder.Host(); err == nil {
		has := ca.HostOf(there)
		valid := ca.VerifyOwn(there, authority.Certificate, h.Name, &key.PublicKey, now) == nil
		if valid && !ca.Due(there, now) && slices.Equal(has.Addresses, h.Addresses) && has.Member {
			return there.NotAfter, nil
		}
	}
	c, err := authority.Issue(h, key.Public(), now)
	if err != nil {
		return until, err
	}
	if err := s.folder.Alone(func() error { return s.folder.Record(c) }); err != nil {
		return until, err
	}
	return c.NotAfter, s.folder.Keep(c)
}

// token prints one, alone: scripts take it.
func (s *setup) token(context.Context) error {
	if name := s.String("host"); name != "" {
		if err := ca.CheckName(name); err != nil {
			return exit.Usagef("--host: %w", err)
		}
	}
	addresses, err := s.addresses()
	if err != nil {
		return err
	}
	t, g, err := s.folder.Offer(ca.Grant{Host: s.String("host"), Addresses: addresses, Member: s.Bool("etcd")}, time.Now())
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(s.Out, t); err != nil {
		return err
	}
	s.Log().Info().Time("until", g.Expires).Msg("for one host")
	return nil
}

// join gets this host's certificate.
func (s *setup) join(ctx context.Context) error {
	address := s.Args().First()
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), enroll.Port)
	}
	address, err := config.HostPort(address)
	if err != nil {
		return exit.Usagef("%w", err)
	}
	if s.String("token") == "" {
		return hint.With(exit.Usagef("relink fleet join needs a token"), "print one by relink fleet token on the host that has the authority")
	}
	t, err := ca.ParseToken(s.String("token"))
	if err != nil {
		return exit.As(exit.ErrUsage, err)
	}
	name, err := s.hostName()
	if err != nil {
		return err
	}
	joined, err := enroll.Join(ctx, address, t, s.folder, name)
	if err != nil {
		return fmt.Errorf("join the fleet at %s: %w", address, err)
	}
	m := made{
		Folder: s.folder, Fleet: joined.Fleet, Host: ca.HostOf(joined.Certificate), Until: joined.Certificate.NotAfter.Format(time.DateOnly),
		At: address, Endpoints: joined.Endpoints,
	}
	if len(m.Host.Addresses) > 0 {
		m.Own = urlHost(m.Host.Addresses[0])
		if own := "https://" + m.Own + ":2379"; m.Host.Member && !slices.Contains(m.Endpoints, own) {
			m.Endpoints = append(m.Endpoints, own)
		}
	}
	return m.print(s.Out)
}

// hostName is --host, or what the machine is called.
func (s *setup) hostName() (name string, err error) {
	if name = s.String("host"); name == "" {
		if name, err = os.Hostname(); err != nil {
			return "", err
		}
	}
	if err := ca.CheckName(name); err != nil {
		return "", hint.With(exit.Usagef("%w", err), "give --host")
	}
	return name, nil
}

func (s *setup) addresses() (found []netip.Addr, err error) {
	for _, text := range separated(s.StringSlice("address")) {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return nil, exit.Usagef("--address: %q is no IP address", text)
		}
		found = append(found, address.Unmap())
	}
	return found, nil
}

// ownAddresses are those of this machine that others may reach.
func ownAddresses() (found []netip.Addr, err error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		prefix, err := netip.ParsePrefix(one.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() {
			found = append(found, prefix.Addr().Unmap())
		}
	}
	return found, nil
}

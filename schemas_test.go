package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"relink/deploy/apache"
	"relink/deploy/caches"
	fleet "relink/deploy/fleet/command"
	"relink/deploy/outcome"
	"relink/deploy/status"
	"relink/health"
	"relink/health/doctor"
	"relink/health/render"
	"relink/health/serve"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/schematest"
	"relink/opcache/report"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

var update = flag.Bool("update", false, "write docs/schemas anew")

// documents are what relink prints as JSON, by the names of their schemas.
var documents = map[string]schematest.Document{
	"deploy":             printed[outcome.Report]("relink deploy", "What a deploy did, or with --dry-run would do."),
	"rollback":           printed[outcome.Report]("relink rollback", "What a rollback did, or with --dry-run would do."),
	"recover":            printed[outcome.Report]("relink recover", "What was put right of an interrupted deploy."),
	"opcache-warm":       printed[outcome.Report]("relink opcache warm", "What was compiled before somebody else moves the links."),
	"opcache-refresh":    printed[outcome.Report]("relink opcache refresh", "What was done to the caches after somebody else has moved links."),
	"prune":              printed[outcome.Pruned]("relink prune", "Which releases were removed, or with --dry-run would be."),
	"status":             printed[status.Status]("relink status", "Where an application stands."),
	"releases":           printed[status.Releases]("relink releases", "The releases of an application."),
	"history":            printed[status.History]("relink history", "The last deploys and rollbacks of an application."),
	"apache-check":       printed[apache.Result]("relink apache check", "Whether the web server sends real paths."),
	"opcache-report":     printed[report.Report]("relink opcache report", "What the caches hold, what sharing saves, and what the next deploy needs."),
	"opcache-reset":      printed[caches.ResetResult]("relink opcache reset", "Which caches were restarted, how, and why."),
	"opcache-invalidate": printed[caches.InvalidateReport]("relink opcache invalidate", "Which scripts were invalidated."),
	"config-check":       printed[config.Checked]("relink config check", "What is in the configuration, and what to mind about it."),
	"fleet-deploy":       printed[fleet.Report]("relink fleet deploy", "What became of a rollout to several hosts, or with --dry-run would."),
	"fleet-rollback":     printed[fleet.Report]("relink fleet rollback", "What became of a rollout that goes back."),
	"fleet-status":       printed[fleet.Status]("relink fleet status", "Where a fleet stands with one application."),
	"fleet-history":      printed[fleet.History]("relink fleet history", "The last rollouts of an application."),
	"doctor":             printed[doctor.Diagnosis]("relink doctor", "What is not well, the first to be mended first."),
	"health":             told[render.Document]("relink health", "What each check has found. A wrong command line or configuration is a result, too."),
	"api-state":          told[serve.State]("/api/v1/state of relink serve", "Where everything stands."),
	"api-history":        told[serve.History]("/api/v1/history of relink serve", "What happened over time."),
	"api-deploys":        told[serve.Deploys]("/api/v1/deploys of relink serve", "The last deploys with their steps."),
	"api-checks":         told[render.Document]("/api/v1/checks of relink serve", "What each check has found."),
	"error":              told[exit.Document]("an error", "What any command prints that fails before it has a result of its own."),
	"api-error":          told[serve.Refusal]("an error of relink serve", "What /api/v1 answers with an HTTP status other than 200."),
}

// shown is the schema of "config show".
const shown = "config-show"

// configuration is the schema of the configuration file.
func configuration(t *testing.T) *jsonschema.Schema {
	t.Helper()
	orName := func(s *jsonschema.Schema) *jsonschema.Schema { return schematest.OrText("", s) }
	orOff := func(s *jsonschema.Schema) *jsonschema.Schema { return schematest.OrText("off", s) }
	c := schematest.Configuration{Type: reflect.TypeFor[config.Config](), Shapes: map[reflect.Type]func(*jsonschema.Schema) *jsonschema.Schema{
		reflect.TypeFor[config.Instance]():      orName,
		reflect.TypeFor[config.InstancesFrom](): orName,
		reflect.TypeFor[config.Check]():         orOff,
		reflect.TypeFor[config.Probe]():         orOff,
		reflect.TypeFor[config.Source](): func(s *jsonschema.Schema) *jsonschema.Schema {
			for _, kind := range config.SourceKinds() {
				s.Properties[kind] = &jsonschema.Schema{Type: "string"}
			}
			return s
		},
		reflect.TypeFor[config.Health](): func(s *jsonschema.Schema) *jsonschema.Schema {
			return schematest.With(s, boundsOfHealth(t))
		},
	}}
	return c.Schema(shown, "relink config show", "The configuration with all defaults filled in: also the schema of the configuration file, relink.yaml.")
}

// boundsOfHealth are as the smallest configuration shows them.
func boundsOfHealth(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	c, err := config.Parse("relink.yaml", []byte("pools: off\n"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var health struct{ Health map[string]any }
	if err := errors.Join(config.Show(&out, c, "json"), json.Unmarshal(out.Bytes(), &health)); err != nil {
		t.Fatal(err)
	}
	both := map[string]*jsonschema.Schema{}
	for key, value := range health.Health {
		given, ok := value.(map[string]any)
		if !ok {
			continue
		}
		one := func() *jsonschema.Schema {
			if _, isText := given["critical"].(string); isText {
				return schematest.Duration()
			}
			return &jsonschema.Schema{Type: "number", Minimum: jsonschema.Ptr(0.)}
		}
		both[key] = &jsonschema.Schema{
			Type: "object", Description: "from where on the check warns, and is critical", AdditionalProperties: schematest.Never(),
			Properties: map[string]*jsonschema.Schema{"warning": one(), "critical": one()}, PropertyOrder: []string{"warning", "critical"},
		}
	}
	return both
}

// told is what is always printed whole.
func told[T any](title, description string) schematest.Document {
	return schematest.Document{Title: title, Description: description, Type: reflect.TypeFor[T](), Known: known}
}

// printed is the result of a command that may fail before it has one.
func printed[T any](title, description string) schematest.Document {
	d := told[T](title, description)
	d.Or = reflect.TypeFor[exit.Document]()
	return d
}

var known = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[health.State](): {Type: "string", Enum: []any{
		health.OK.String(), health.Warning.String(), health.Critical.String(), health.Unknown.String(),
	}},
}

// The schemas are those of the types: "make schemas" writes them.
func TestSchemasAreThoseOfTheTypes(t *testing.T) {
	var want []string
	for name, document := range documents {
		schema, err := document.Schema(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantSchema(t, name, schema)
		want = append(want, name)
	}
	wantSchema(t, shown, configuration(t))
	want = append(want, shown)
	for _, file := range schemaFiles(t) {
		if name := strings.TrimSuffix(filepath.Base(file), ".json"); !slices.Contains(want, name) {
			t.Errorf("%s is the schema of nothing", file)
		}
	}
}

func wantSchema(t *testing.T, name string, schema *jsonschema.Schema) {
	t.Helper()
	want, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(schematest.File(name), want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schematest.File(name))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/schemas/%s.json is not that of the types; make schemas writes it:\n%s", name, diff)
	}
}

func schemaFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("docs/schemas/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %d schemas", err, len(files))
	}
	return files
}

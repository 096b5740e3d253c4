package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ready reports whether the server accepts connections.
func (s *Server) ready(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return err
	}
	return connection.Close(ctx)
}

// Provision creates the roles and databases that do not exist yet.
func (s *Server) Provision(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer connection.Close(ctx)
	for _, role := range loginRoles() {
		statement := fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, password(role))
		if err := ensure(ctx, connection, "SELECT 1 FROM pg_roles WHERE rolname = $1", role, statement); err != nil {
			return fmt.Errorf("create the role %s: %w", role, err)
		}
	}
	for database, owner := range databaseOwners() {
		statement := fmt.Sprintf("CREATE DATABASE %s OWNER %s", database, owner)
		if err := ensure(ctx, connection, "SELECT 1 FROM pg_database WHERE datname = $1", database, statement); err != nil {
			return fmt.Errorf("create the database %s: %w", database, err)
		}
	}
	return nil
}

// ensure runs a statement unless the query finds the name.
func ensure(ctx context.Context, connection *pgx.Conn, query, name, statement string) error {
	rows, err := connection.Query(ctx, query, name)
	if err != nil {
		return err
	}
	exists := rows.Next()
	rows.Close()
	if err := rows.Err(); err != nil || exists {
		return err
	}
	_, err = connection.Exec(ctx, statement)
	return err
}

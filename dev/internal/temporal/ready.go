package temporal

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// workflowService is the name the frontend reports its health under.
const workflowService = "temporal.api.workflowservice.v1.WorkflowService"

// Ready reports whether a server serves its clients.
func Ready(ctx context.Context, addr string) error {
	connection, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to temporal: %w", err)
	}
	defer connection.Close()
	health := grpc_health_v1.NewHealthClient(connection)
	response, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: workflowService})
	if err != nil {
		return fmt.Errorf("ask temporal for its health: %w", err)
	}
	if status := response.GetStatus(); status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("temporal is %s", status)
	}
	return nil
}

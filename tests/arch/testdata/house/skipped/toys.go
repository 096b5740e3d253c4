package toys

func init() {}

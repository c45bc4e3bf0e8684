package client

import "context"

// watch starts following a job that is known to be submitted.
type watch struct{ *Submission }

// Watch follows a job that anybody submitted, on any day and at any broker, to its end. A unique prefix of its id is enough. It is [ErrNotFound] if no
// such job is known. Its end comes at once if it is over already. A job that this client follows already is not followed twice: [ErrInvalid].
func (c *Client) Watch(ctx context.Context, id string) (*Submission, error) {
	found, err := c.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	s := newSubmission(string(found.Job.ID), nil, nil, func() {})
	c.tell(&watch{s})
	return s, nil
}

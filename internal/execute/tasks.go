package execute

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backout-dev/backout"
)

// Tasks keeps what people are asked to do by hand, and their answers, beside the
// runs. [New] makes the table.
type Tasks struct{ db *sql.DB }

// NewTasks keeps tasks in the executor's database.
func NewTasks(db *sql.DB) *Tasks { return &Tasks{db} }

// OpenTask keeps a task, or gives the one that its key has already.
func (s *Tasks) OpenTask(ctx context.Context, t backout.Task) (backout.Task, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return t, fmt.Errorf("open task %s: %w", t.Key, err)
	}
	if _, err := s.db.ExecContext(ctx, "INSERT INTO run_task (key, attempt, component, answered_at, done, body) VALUES ($1, $2, $3, 0, 0, $4) ON CONFLICT DO NOTHING",
		t.Key, t.Attempt, t.Component, string(body)); err != nil {
		return t, fmt.Errorf("open task %s: %w", t.Key, err)
	}
	return s.Task(ctx, t.Key)
}

// Task reads one task; one that was never opened is not found.
func (s *Tasks) Task(ctx context.Context, key string) (backout.Task, error) {
	all, err := s.read(ctx, "SELECT body FROM run_task WHERE key = $1", key)
	if err != nil {
		return backout.Task{}, fmt.Errorf("read task %s: %w", key, err)
	}
	if len(all) == 0 {
		return backout.Task{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("there is no task %s", key)}
	}
	return all[0], nil
}

// AnswerTask keeps the first answer. The task that it gives has the answer that
// counts; one that came too late is an error of code conflict.
func (s *Tasks) AnswerTask(ctx context.Context, key string, a backout.TaskAnswer) (backout.Task, error) {
	t, err := s.Task(ctx, key)
	if err != nil {
		return t, err
	}
	if t.Answer == nil {
		answered := t
		answered.Answer = &a
		body, err := json.Marshal(answered)
		if err != nil {
			return t, fmt.Errorf("answer task %s: %w", key, err)
		}
		done := 0
		if a.Done {
			done = 1
		}
		res, err := s.db.ExecContext(ctx, "UPDATE run_task SET answered_at = $1, done = $2, body = $3 WHERE key = $4 AND answered_at = 0", a.At.UnixMicro(), done, string(body), key)
		if err != nil {
			return t, fmt.Errorf("answer task %s: %w", key, err)
		}
		if n, err := res.RowsAffected(); err == nil && n == 1 {
			return answered, nil
		}
		if t, err = s.Task(ctx, key); err != nil {
			return t, err
		}
	}
	word := "refused"
	if t.Answer.Done {
		word = "done"
	}
	return t, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("step %s was answered already: %s by %s: %s", t.Step, word, t.Answer.By, t.Answer.Reason)}
}

// TasksOf lists an attempt's tasks, in the order of their keys.
func (s *Tasks) TasksOf(ctx context.Context, id backout.AttemptID) ([]backout.Task, error) {
	all, err := s.read(ctx, "SELECT body FROM run_task WHERE attempt = $1 ORDER BY key", id)
	if err != nil {
		return nil, fmt.Errorf("read tasks of attempt %s: %w", id, err)
	}
	return all, nil
}

// LastDone is the newest task of a component that a person said is done; false when
// there is none.
func (s *Tasks) LastDone(ctx context.Context, id backout.ComponentID) (backout.Task, bool, error) {
	all, err := s.read(ctx, "SELECT body FROM run_task WHERE component = $1 AND done = 1 ORDER BY answered_at DESC LIMIT 1", id)
	if err != nil || len(all) == 0 {
		return backout.Task{}, false, err
	}
	return all[0], true, nil
}

func (s *Tasks) read(ctx context.Context, query string, args ...any) (out []backout.Task, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []backout.Task{}
	for rows.Next() {
		var body string
		var t backout.Task
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &t); err != nil {
			return nil, fmt.Errorf("decode task: %w", err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

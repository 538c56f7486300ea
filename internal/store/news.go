package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// newsDocument is the name under which it is kept what people were told of backout itself.
const newsDocument = "news"

// News gives what people were told of backout itself; before anything was, nothing.
func (s *Store) News(ctx context.Context) ([]backout.News, error) {
	told := []backout.News{}
	d, err := s.Document(ctx, newsDocument)
	if backout.CodeOf(err) == backout.CodeNotFound {
		return told, nil
	}
	if err == nil {
		err = json.Unmarshal(d.Body, &told)
	}
	return told, explain("read news", err)
}

// PostNews keeps what people were told of backout itself and posts the messages, or
// neither. They belong to no incident: their threads are ordered by the time of the post.
func (s *Store) PostNews(ctx context.Context, at time.Time, told []backout.News, messages []backout.Message, channels map[backout.Audience][]string) error {
	body, err := encode(told)
	if err != nil {
		return fmt.Errorf("post news: %w", err)
	}
	return explain("post news", s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, saveDocument, newsDocument, Format, micros(at), []byte(body)); err != nil {
			return err
		}
		return post(ctx, tx, Transition{Incident: backout.Incident{Row: at.UnixMilli()}, At: at, Messages: messages, Channels: channels})
	}))
}

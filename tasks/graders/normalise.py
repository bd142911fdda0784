"""placeholder"""
def vote_key(answer: str) -> str:
    return answer
